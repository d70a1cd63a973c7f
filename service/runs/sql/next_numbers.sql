-- Take blocks of 100 run numbers: the first number of each. No block is ever taken twice.
-- $1 how many blocks.
-- Index: none, a sequence.
select nextval('runs.run_number')::integer from generate_series(1, $1::integer)
