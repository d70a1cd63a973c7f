-- The run numbers of the ledger. A process takes them in blocks of 100, each block once; gaps are allowed.
-- A block ends below 2^31.

create schema runs;
grant usage on schema runs to flowledger_app;

create sequence runs.run_number as integer
    start with 1 increment by 100 minvalue 1 maxvalue 2147483501 no cycle;

comment on sequence runs.run_number is 'The first number of the next block of 100 run numbers.';

grant usage on sequence runs.run_number to flowledger_app;
