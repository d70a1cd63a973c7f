-- Insert a batch's events into the log.
-- No parameters.
-- Index: none, inserts only.
insert into log.events (
    position, tenant, stream, version, event_id, type, schema_version, body, metadata, actor,
    correlation_id, causation_id, idempotency_key, occurred_at, recorded_at, leaf_hash
)
select
    position, tenant, stream, version, event_id, type, schema_version, body, metadata, actor,
    correlation_id, causation_id, idempotency_key, occurred_at, recorded_at, leaf_hash
from pg_temp.import_batch
order by position
