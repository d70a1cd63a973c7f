-- Empty the table of an import's batch.
-- No parameters.
-- Index: none.
truncate pg_temp.import_batch
