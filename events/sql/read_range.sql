-- Read the events of a range of positions.
-- $1 after this position, $2 up to this one.
-- Index: log.events_pkey.
-- The id is cast here, since a codec in Python takes longer; many rows of a rebuild are not decoded.
select
    e.position, e.tenant, e.stream, e.version, e.event_id::text, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from log.events e
where e.position > $1 and e.position <= $2
order by e.position
