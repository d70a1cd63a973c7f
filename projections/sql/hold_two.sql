-- Holds two versions of a read model where they stand, until this transaction ends.
-- $1 name, $2 and $3 versions
-- checkpoints_pkey
select version, position, state, error, error_position
from projections.checkpoints
where name = $1 and version in ($2, $3)
order by version
for update
