-- Takes blocks of 100 run numbers: the first number of each, none of them ever taken before.
-- $1 integer: how many blocks.
-- No index: a sequence.
select nextval('runs.run_number')::integer from generate_series(1, $1::integer)
