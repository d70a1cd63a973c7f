-- Lists the workers of $1 without a heartbeat within $2.
-- $1 workers uuid[], $2 expiry interval
-- executors.workers_pkey
SELECT given.worker
FROM unnest($1::uuid[]) AS given(worker)
LEFT JOIN executors.workers AS beat ON beat.worker = given.worker
WHERE beat.beat_at IS NULL OR beat.beat_at < clock_timestamp() - $2::interval
