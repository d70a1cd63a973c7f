-- Finds a run by its number.
-- no parameters
-- is the index
create index load_plans_run_number on load_plans (tenant, run_number)
