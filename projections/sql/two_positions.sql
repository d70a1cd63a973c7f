-- Reads where two versions of a read model stand.
-- $1 name, $2 and $3 versions
-- checkpoints_pkey
select version, position, state, error, error_position
from projections.checkpoints
where name = $1 and version in ($2, $3)
order by version
