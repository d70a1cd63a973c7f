-- Lists the workers, and for how many seconds each has written no heartbeat.
-- no parameters
-- executors.workers_pkey (a handful of rows)
SELECT worker::text AS worker, slots,
    extract(epoch FROM clock_timestamp() - beat_at)::float8 AS silent_s
FROM executors.workers
ORDER BY beat_at DESC
