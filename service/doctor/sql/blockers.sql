-- Find the sessions that make others wait: for how many seconds one has waited, or the blocker has done nothing.
-- $1 the least such number of seconds.
-- Index: none; it asks only about sessions that wait for a lock. Who waits gives up and tries again, so an idle blocker counts.
select
    b.pid, b.application_name, coalesce(b.state, 'unknown') as state,
    max(greatest(
        extract(epoch from clock_timestamp() - w.query_start),
        case when b.state like 'idle%' then extract(epoch from clock_timestamp() - b.state_change) end
    ))::float8 as waited_s
from pg_catalog.pg_stat_activity w
cross join lateral unnest(pg_catalog.pg_blocking_pids(w.pid)) as blocking (pid)
join pg_catalog.pg_stat_activity b on b.pid = blocking.pid
where w.datname = current_database() and w.wait_event_type = 'Lock'
    and (
        w.query_start < clock_timestamp() - make_interval(secs => $1)
        or b.state like 'idle%' and b.state_change < clock_timestamp() - make_interval(secs => $1)
    )
group by b.pid, b.application_name, b.state
order by waited_s desc
