-- Waits for the lock under which read models are created, and holds it until the transaction ends.
-- no parameters
-- no index
select pg_advisory_xact_lock(1886547818)
