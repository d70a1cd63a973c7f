-- Writes a worker's heartbeat, and deletes the workers that are a day away from the clock: they are dead.
-- $1 worker uuid, $2 slots integer
-- executors.workers_pkey (a handful of rows: the day-old are found by a scan)
WITH dead AS (
    DELETE FROM executors.workers
    WHERE worker <> $1
        AND beat_at NOT BETWEEN clock_timestamp() - interval '1 day' AND clock_timestamp() + interval '1 day'
)
INSERT INTO executors.workers (worker, slots) VALUES ($1, $2)
ON CONFLICT (worker) DO UPDATE SET beat_at = clock_timestamp()
