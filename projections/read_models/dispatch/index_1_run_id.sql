-- Finds a run by its id, and an insert's conflict.
-- no parameters
-- is the index
create unique index dispatch_run_id on dispatch (tenant, run_id)
