-- Advances the checkpoint and writes the changed runs, or does neither.
-- $1 name, $2 version, $3 position before, $4 after; $5 tenant, $6 run_id, $7 run_number, $8 document
-- load_plans_run_id
with checkpoint as materialized (
    select projections.advance($1, $2, $3, $4) as advanced
), written as (
    insert into load_plans as r (tenant, run_id, run_number, document)
    select c.*
    from checkpoint, unnest($5::text[], $6::text[], $7::bigint[], $8::bytea[]) as c
    where checkpoint.advanced
    on conflict (tenant, run_id) do update set document = excluded.document
)
select advanced from checkpoint
