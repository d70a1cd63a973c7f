-- Reads the newest rebuild of a read model and its progress; the rate is that of the last 30 seconds.
-- $1 name
-- rebuilds_name, rebuild_segments_pkey
select
    b.rebuild_id, b.name, b.purpose, b.from_version, b.new_version, b.schema_version, b.phase, b.stopped_in, b.target,
    b.workers, b.rate as most_rate, b.started_by, b.source, b.cancel_requested, b.error, b.error_position,
    b.result::text as result, b.created_at, b.updated_at,
    -- A finished rebuild has no segments left: all were folded.
    case when b.phase = 'finished' then coalesce(b.target, 0) else coalesce(s.folded, 0) end::bigint as folded,
    s.recent / greatest(extract(epoch from clock_timestamp() - s.since), 0.1)::float8 as rate
from projections.rebuilds b
left join lateral (
    select
        sum(up_to - after) filter (where done_at is not null) as folded,
        sum(up_to - after) filter (where done_at > clock_timestamp() - interval '30 s')::float8 as recent,
        greatest(min(done_at), clock_timestamp() - interval '30 s') as since
    from projections.rebuild_segments
    where rebuild_id = b.rebuild_id
) s on true
where b.name = $1
order by b.created_at desc
limit 1
