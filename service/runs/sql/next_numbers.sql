-- Take blocks of 100 run numbers: the first number of each. No block is ever taken twice.
-- $1 how many blocks, $2 the process that takes them.
-- Index: a sequence; runs.number_blocks_pkey. The table has a row for each process, so it is read whole
-- for those that have not asked for a month: they are gone.
with blocks as materialized (
    select nextval('runs.run_number')::integer as first_number
    from generate_series(1, $1::integer)
), recorded as (
    insert into runs.number_blocks (process, first_number)
    select $2::uuid, max(first_number) from blocks
    on conflict (process) do update
    set first_number = excluded.first_number, taken_at = excluded.taken_at
), removed as (
    delete from runs.number_blocks
    where taken_at < clock_timestamp() - interval '30 days' and process <> $2::uuid
)
select first_number from blocks order by first_number
