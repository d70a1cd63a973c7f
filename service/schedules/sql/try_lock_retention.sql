-- Takes the advisory lock of retention until the transaction ends; false: another process has it.
-- no parameters
-- no table
SELECT pg_try_advisory_xact_lock(1886547820)
