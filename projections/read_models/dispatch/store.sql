-- Advances the checkpoint, writes the changed open runs and deletes those that ended; or does none of it.
-- $1 name, $2 version, $3 position before, $4 after; $5-$11 open runs as the insert names them; ended: $12 tenant, $13 run_id
-- dispatch_run_id
with checkpoint as materialized (
    select projections.advance($1, $2, $3, $4) as advanced
), written as (
    insert into dispatch as r (tenant, run_id, queued_position, waiting, worker, deadline_us, document)
    select c.*
    from checkpoint, unnest($5::text[], $6::text[], $7::bigint[], $8::boolean[], $9::text[], $10::bigint[], $11::bytea[]) as c
    where checkpoint.advanced
    on conflict (tenant, run_id) do update set
        waiting = excluded.waiting, worker = excluded.worker, deadline_us = excluded.deadline_us,
        document = excluded.document
), removed as (
    delete from dispatch r
    using checkpoint, unnest($12::text[], $13::text[]) as c (tenant, run_id)
    where checkpoint.advanced and r.tenant = c.tenant and r.run_id = c.run_id
)
select advanced from checkpoint
