-- Run numbers: a block of 100 each time, below 2^31 to its last number, never twice; gaps are allowed.

create schema runs;
grant usage on schema runs to flowledger_app;

create sequence runs.run_number as integer
    start with 1 increment by 100 minvalue 1 maxvalue 2147483501 no cycle;

comment on sequence runs.run_number is
    'The first number of the next block of 100 run numbers; a process takes whole blocks.';

grant usage on sequence runs.run_number to flowledger_app;
