-- The run numbers of the ledger. A process takes them in blocks of 100, each block once; gaps are allowed.
-- A block ends below 2^31.

create schema runs;

create sequence runs.run_number as integer
    start with 1 increment by 100 minvalue 1 maxvalue 2147483501 no cycle;

comment on sequence runs.run_number is 'The first number of the next block of 100 run numbers.';

-- A restored copy of the database would give the same block to another process. So each process keeps
-- its latest block on record: one that does not find its record again uses no number any more.

create table runs.number_blocks (
    process uuid primary key,
    first_number integer not null,
    taken_at timestamptz not null default clock_timestamp()
);

comment on table runs.number_blocks is
    'The latest block of run numbers that each process has taken, to notice a restored copy.';
