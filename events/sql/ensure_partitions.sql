-- Make the partition in use and the two ahead, where they are missing.
-- No parameters.
-- Index: none, the catalogue only.
select log.ensure_partitions()
