-- Read the later events of many streams, in the order of position.
-- $1 tenants, $2 streams, $3 known versions (pairwise), $4 after and $5 up to a position, $6 types.
-- Index: log.streams_pkey, then (stream, tenant, version) of the partitions after $4.
-- Apart from read_streams: it is sorted by position, so that a rebuild reads it through a cursor.
select
    e.position, e.tenant, e.stream, e.version, e.event_id::text, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from unnest($1::text[], $2::text[], $3::bigint[]) as k (tenant, stream, version)
-- The version condition bounds the index look-up; the position alone gives the same rows.
-- offset 0: one look-up for each stream, whatever the sizes of the tables were when it was planned.
cross join lateral (
    select from log.streams s
    where s.tenant = k.tenant and s.stream = k.stream and s.version > k.version
    offset 0
) s
cross join lateral (
    select e.*
    from log.events e
    where e.tenant = k.tenant and e.stream = k.stream and e.version > k.version
        and e.position > $4 and e.position <= $5 and e.type = any($6::text[])
    offset 0
) e
order by e.position
