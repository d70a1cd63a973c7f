-- Read the events at some positions, all null where there is none, and compute their leaf hashes anew.
-- $1 the positions.
-- Index: log.events_pkey.
select
    p.position as wanted, e.position, e.tenant, e.stream, e.version, e.event_id::text, e.type,
    e.schema_version, e.body, e.metadata, e.actor, e.correlation_id, e.causation_id,
    e.idempotency_key, e.occurred_at, e.recorded_at, e.leaf_hash,
    log.micros(e.recorded_at) as recorded_us, log.micros(e.occurred_at) as occurred_us,
    log.leaf_1(
        e.position, e.version, log.micros(e.recorded_at), log.micros(e.occurred_at),
        e.schema_version, e.tenant, e.stream, e.event_id, e.type, e.actor, e.correlation_id,
        e.causation_id, e.idempotency_key, e.metadata, e.body
    ) as computed
from unnest($1::bigint[]) as p (position)
left join log.events e on e.position = p.position
order by p.position
