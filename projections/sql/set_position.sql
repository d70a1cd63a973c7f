-- Sets the position of a version that was loaded in bulk.
-- $1 name, $2 version, $3 position
-- checkpoints_pkey
update projections.checkpoints set position = $3 where name = $1 and version = $2
