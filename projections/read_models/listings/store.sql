-- Advances the checkpoint, writes the changed runs and adds to the counts of lists and blocks; or does none of it.
-- $1 name, $2 version, $3 position before, $4 after; $5-$15 runs, $16-$19 lists, $20-$25 blocks: as the inserts name them
-- listings_run_id, lists_name, blocks_block
with checkpoint as materialized (
    select projections.advance($1, $2, $3, $4) as advanced
), written as (
    insert into listings as r (
        tenant, run_id, ordinal, fullname, flow_ordinal, queued_position, status, started_by, created_us,
        unlisted_position, document
    )
    select c.*
    from checkpoint, unnest(
        $5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::bigint[], $11::text[], $12::text[],
        $13::bigint[], $14::bigint[], $15::bytea[]
    ) as c
    where checkpoint.advanced
    on conflict (tenant, run_id) do update
        set status = excluded.status, unlisted_position = excluded.unlisted_position, document = excluded.document
), gained_lists as (
    insert into lists as l (tenant, list, issued, live)
    select c.*
    from checkpoint, unnest($16::text[], $17::text[], $18::bigint[], $19::bigint[]) as c
    where checkpoint.advanced
    on conflict (tenant, list) do update set issued = l.issued + excluded.issued, live = l.live + excluded.live
), gained_blocks as (
    insert into blocks as b (tenant, list, block, live, first_position, first_created_us)
    select c.*
    from checkpoint, unnest($20::text[], $21::text[], $22::bigint[], $23::integer[], $24::bigint[], $25::bigint[]) as c
    where checkpoint.advanced
    on conflict (tenant, list, block) do update set live = b.live + excluded.live
)
select advanced from checkpoint
