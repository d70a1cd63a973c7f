-- Takes the turn at a read model's rebuilds, for as long as this connection lives; false: somebody has it.
-- $1 class of the locks, $2 name
-- no index
select pg_try_advisory_lock($1, hashtext($2))
