-- Advances the checkpoint and writes the changed runs, or does neither.
-- $1 name, $2 version, $3 position before, $4 after; $5 tenant, $6 run_id, $7 run_number, $8 flow_number, $9 queued_position, $10 document
-- executions_run_id
with checkpoint as materialized (
    select projections.advance($1, $2, $3, $4) as advanced
), written as (
    insert into executions as r (tenant, run_id, run_number, flow_number, queued_position, document)
    select c.*
    from checkpoint, unnest($5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bytea[]) as c
    where checkpoint.advanced
    on conflict (tenant, run_id) do update set document = excluded.document
)
select advanced from checkpoint
