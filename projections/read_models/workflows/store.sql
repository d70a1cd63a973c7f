-- Advances the checkpoint and writes the changed runs and flows, or does neither.
-- $1 name, $2 version, $3 position before, $4 after; runs: $5 tenant, $6 run_id, $7 document; flows: $8 tenant, $9 fullname, $10 document
-- workflows_run_id, flows_fullname
with checkpoint as materialized (
    select projections.advance($1, $2, $3, $4) as advanced
), written_runs as (
    insert into workflows as r (tenant, run_id, document)
    select c.*
    from checkpoint, unnest($5::text[], $6::text[], $7::bytea[]) as c
    where checkpoint.advanced
    on conflict (tenant, run_id) do update set document = excluded.document
), written_flows as (
    insert into flows as f (tenant, fullname, document)
    select c.*
    from checkpoint, unnest($8::text[], $9::text[], $10::bytea[]) as c
    where checkpoint.advanced
    on conflict (tenant, fullname) do update set document = excluded.document
)
select advanced from checkpoint
