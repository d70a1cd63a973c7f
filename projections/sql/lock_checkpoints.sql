-- Locks the checkpoints of versions of a read model until the transaction ends, in the order of their numbers.
-- $1 name, $2 versions
-- checkpoints_pkey
select version, position, state, error, error_position
from projections.checkpoints
where name = $1 and version = any($2::integer[])
order by version
for update
