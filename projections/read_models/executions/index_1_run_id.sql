-- Finds a run by its id, and an insert's conflict.
-- no parameters
-- is the index
create unique index executions_run_id on executions (tenant, run_id)
