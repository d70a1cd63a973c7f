-- Tries to lock a read model for a verification, until the transaction ends. A rebuild takes the same lock.
-- $1 class of the locks, $2 name
-- no index
select pg_try_advisory_xact_lock($1, hashtext($2))
