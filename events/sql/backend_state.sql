-- Tells whether a backend waits for its client, and how far its COPY is; no row if it is gone.
-- $1 process id
-- no table, no index
select
    coalesce(
        a.state like 'idle%' or (a.state = 'active' and a.wait_event_type = 'Client'),
        false -- the role may not see it, or the server does not track it
    ) as waits_for_client,
    c.bytes_processed as copied_bytes
from pg_stat_activity a
left join pg_stat_progress_copy c on c.pid = a.pid
where a.pid = $1
