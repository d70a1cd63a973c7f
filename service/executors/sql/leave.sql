-- Deletes a stopping worker, and those without a heartbeat for a day.
-- $1 worker uuid
-- executors.workers_pkey (a handful of rows: the day-old are found by a scan)
DELETE FROM executors.workers
WHERE worker = $1 OR beat_at < clock_timestamp() - interval '1 day'
