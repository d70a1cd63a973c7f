-- Create the current partition and the next two, where missing.
-- No parameters.
-- Index: none, it reads the system catalogs only.
select log.ensure_partitions()
