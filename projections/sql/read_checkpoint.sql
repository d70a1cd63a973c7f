-- Reads a version's checkpoint.
-- $1 name, $2 version
-- checkpoints_pkey
select position, state, error_position from projections.checkpoints where name = $1 and version = $2
