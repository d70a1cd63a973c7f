-- Takes the one turn at checking a read model, until this transaction ends; tells whether it was free.
-- $1 name
-- no index
select pg_try_advisory_xact_lock(1886547819, hashtext($1))
