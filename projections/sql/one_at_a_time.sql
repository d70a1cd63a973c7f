-- Makes whoever else is creating read models wait until this transaction ends.
-- no parameters
-- no index
select pg_advisory_xact_lock(1886547818)
