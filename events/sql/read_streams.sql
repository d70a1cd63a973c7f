-- Read the events of many streams, stream by stream, in the order of their versions.
-- $1 tenants, $2 streams (pairwise), $3 up to this position or null.
-- Index: log.streams_pkey, then (stream, tenant, version) of partitions from its first event on.
-- Apart from read_stream, whose plan has no nested loop and which most commands run.
-- The first position alone bounds the partitions: a range from both sides would look so narrow to
-- the planner that it could prefer the primary key to the stream's own index.
select
    k.n,
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from unnest($1::text[], $2::text[]) with ordinality as k (tenant, stream, n)
-- offset 0: one look-up for each stream, whatever the sizes of the tables were when it was planned.
cross join lateral (
    select s.first_position
    from log.streams s
    where s.tenant = k.tenant and s.stream = k.stream
    offset 0
) s
cross join lateral (
    select e.*
    from log.events e
    where e.tenant = k.tenant and e.stream = k.stream
        and e.position >= s.first_position
        and ($3::bigint is null or e.position <= $3)
    offset 0
) e
order by k.n, e.version
