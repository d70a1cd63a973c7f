-- Takes the turn to let runs leave their lists, until the transaction ends; tells whether it was free.
-- no parameters
-- no table
select pg_try_advisory_xact_lock(1886547820)
