-- Deletes a stopping worker.
-- $1 worker uuid
-- executors.workers_pkey
DELETE FROM executors.workers WHERE worker = $1
