-- Read the events of one type in one stream, in the order of their versions.
-- $1 tenant, $2 stream, $3 type, $4 how many at most.
-- Index: log.streams_pkey, then (stream, tenant, version) of partitions from its first event on.
-- Apart from read_stream: here the limit counts events of the type, there it is a range of versions.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from log.events e
where e.tenant = $1 and e.stream = $2 and e.type = $3
    and e.position >= (
        select s.first_position from log.streams s where s.tenant = $1 and s.stream = $2
    )
order by e.version
limit $4
