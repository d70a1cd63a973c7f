-- Read the events of some types, up to a position.
-- $1 types, $2 up to this position.
-- Index: log.events_pkey; the whole range is read, as no index is by type.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from log.events e
where e.position <= $2 and e.type = any($1::text[])
order by e.position
