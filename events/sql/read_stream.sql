-- Read the events of one stream, in the order of their versions.
-- $1 tenant, $2 stream, $3 after this version, $4 up to this version, $5 up to this position or null.
-- Index: log.streams_pkey, then (stream, tenant, version) of the partitions the stream lies in.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from log.streams s
join log.events e
    on e.tenant = s.tenant and e.stream = s.stream
    and e.position between s.first_position and least(s.last_position, $5::bigint)
where s.tenant = $1 and s.stream = $2 and e.version > $3 and e.version <= $4
order by e.version
