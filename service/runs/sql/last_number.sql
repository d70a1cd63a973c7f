-- Read the greatest run number that any process may have; null before the first block was taken.
-- No parameters.
-- Index: none, a sequence.
select pg_catalog.pg_sequence_last_value('runs.run_number'::regclass) + 99 as last_number
