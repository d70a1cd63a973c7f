-- Read the events of many streams, stream by stream, in the order of their versions.
-- $1 tenants, $2 streams (pairwise), $3 up to this position or null.
-- Index: log.streams_pkey, then (stream, tenant, version) of the partitions each stream lies in.
select
    k.n,
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash
from unnest($1::text[], $2::text[]) with ordinality as k (tenant, stream, n)
join log.streams s on s.tenant = k.tenant and s.stream = k.stream
join log.events e
    on e.tenant = s.tenant and e.stream = s.stream
    and e.position between s.first_position and least(s.last_position, $3::bigint)
order by k.n, e.version
