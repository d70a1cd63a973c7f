-- Finds a run by its id, and an insert's conflict.
-- no parameters
-- is the index
create unique index load_plans_run_id on load_plans (tenant, run_id)
