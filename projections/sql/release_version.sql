-- Ends the building of a version: projectors apply it from its target position on.
-- $1 name, $2 version, $3 position
-- checkpoints_pkey
update projections.checkpoints set position = $3, state = 'running', updated_at = clock_timestamp()
where name = $1 and version = $2 and state = 'building'
