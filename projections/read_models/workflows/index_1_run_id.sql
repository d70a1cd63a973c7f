-- Finds a run by its id, and an insert's conflict.
-- no parameters
-- is the index
create unique index workflows_run_id on workflows (tenant, run_id)
