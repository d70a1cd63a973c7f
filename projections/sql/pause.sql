-- Pauses a version before an event that it cannot apply, if its checkpoint is unchanged.
-- $1 name, $2 version, $3 position of its checkpoint, $4 position of the event, $5 error
-- checkpoints_pkey
update projections.checkpoints
set state = 'paused', error = $5, error_position = $4, updated_at = clock_timestamp()
where name = $1 and version = $2 and position = $3 and state = 'running'
returning true
