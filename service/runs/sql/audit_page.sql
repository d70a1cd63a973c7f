-- Read events backwards between two positions, by filters, each with the flow it is about.
-- $1 after position, $2 before position; $3 tenant, $4 actor, $5 types, $6 flow, null for all; $7 limit.
-- Index: log.events_pkey; for the flow of a run log.streams_pkey, then the run's first event.
-- A tenant's events include the administrative ones that name it.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash, f.flow
from log.events e
cross join lateral (
    select case
        when e.stream like 'run:%' then (
            select convert_from(q.body, 'UTF8')::json ->> 'flow'
            from log.streams s
            join log.events q on q.position = s.first_position
            where s.tenant = e.tenant and s.stream = e.stream
        )
        when e.stream like 'slot:%' then substr(e.stream, 6)
        when e.stream = 'flows' then convert_from(e.body, 'UTF8')::json ->> 'fullname'
    end as flow
) f
where e.position > $1 and e.position < $2
    and (
        $3::text is null
        or e.tenant = $3
        or (
            e.tenant = '*' and e.stream = 'administration'
            and convert_from(e.body, 'UTF8')::json ->> 'tenant' = $3
        )
    )
    and ($4::text is null or e.actor = $4)
    and ($5::text[] is null or e.type = any ($5))
    and ($6::text is null or f.flow = $6)
order by e.position desc
limit $7
