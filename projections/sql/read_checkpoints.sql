-- Reads the checkpoints of versions of a read model.
-- $1 name, $2 versions
-- checkpoints_pkey
select version, position, state, error, error_position
from projections.checkpoints
where name = $1 and version = any($2::integer[])
