-- Finds a run by its id, and an insert's conflict.
-- no parameters
-- is the index
create unique index listings_run_id on listings (tenant, run_id)
