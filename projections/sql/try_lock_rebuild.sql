-- Tries to lock a read model for a rebuild, until the connection ends. A verification takes the same lock.
-- $1 class of the locks, $2 name
-- no index
select pg_try_advisory_lock($1, hashtext($2))
