-- Writes a worker's heartbeat.
-- $1 worker uuid, $2 slots integer
-- executors.workers_pkey
INSERT INTO executors.workers (worker, slots) VALUES ($1, $2)
ON CONFLICT (worker) DO UPDATE SET beat_at = clock_timestamp()
