-- Names which of these workers are silent: no heartbeat for that long, or none at all.
-- $1 workers uuid[], $2 silence interval
-- executors.workers_pkey
SELECT asked.worker
FROM unnest($1::uuid[]) AS asked(worker)
LEFT JOIN executors.workers AS alive ON alive.worker = asked.worker
WHERE alive.beat_at IS NULL OR alive.beat_at < clock_timestamp() - $2::interval
