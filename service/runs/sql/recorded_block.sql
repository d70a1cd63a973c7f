-- Read the latest block of a process, and once a day tell others that the process is still there.
-- $1 the process.
-- Index: runs.number_blocks_pkey.
with seen as (
    update runs.number_blocks set taken_at = clock_timestamp()
    where process = $1::uuid and taken_at < clock_timestamp() - interval '1 day'
)
select first_number from runs.number_blocks where process = $1::uuid
