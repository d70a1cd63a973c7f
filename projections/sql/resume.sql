-- Resumes a version that is paused before an event; returns null if it is not paused there.
-- $1 name, $2 version, $3 position of the event
-- checkpoints_pkey
update projections.checkpoints
set state = 'running', error = null, error_position = null, updated_at = clock_timestamp()
where name = $1 and version = $2 and state = 'paused' and error_position = $3
returning true
