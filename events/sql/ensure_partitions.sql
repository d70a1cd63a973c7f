-- Create the current partition and the next two, where missing.
-- No parameters.
-- Index: none, the catalogue only.
select log.ensure_partitions()
