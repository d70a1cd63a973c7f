-- Read the events of one stream, in the order of their versions.
-- $1 tenant, $2 stream, $3 after this version, $4 up to this one, $5 up to this position or null.
-- Index: log.streams_pkey, then (stream, tenant, version) of partitions from its first event on.
-- The first position alone bounds the partitions: a range from both sides would look so narrow to
-- the planner that it could prefer the primary key to the stream's own index.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from log.events e
where e.tenant = $1 and e.stream = $2 and e.version > $3 and e.version <= $4
    and e.position >= (
        select s.first_position from log.streams s where s.tenant = $1 and s.stream = $2
    )
    and ($5::bigint is null or e.position <= $5)
order by e.version
