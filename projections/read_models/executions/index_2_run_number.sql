-- Finds a run by its number.
-- no parameters
-- is the index
create index executions_run_number on executions (tenant, run_number)
