-- Reads the heartbeats of workers: how old each is, null for a worker without one.
-- $1 workers uuid[]
-- executors.workers_pkey
SELECT given.worker, beat.beat_at::text AS beat_at,
    extract(epoch FROM clock_timestamp() - beat.beat_at)::float8 AS age_s
FROM unnest($1::uuid[]) AS given(worker)
LEFT JOIN executors.workers AS beat ON beat.worker = given.worker
