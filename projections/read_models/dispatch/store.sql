-- Moves the checkpoint, writes the open runs that changed and removes those that ended; or does none of it.
-- $1 name, $2 version, $3 position before, $4 after; $5-$11 open runs as the insert names them; ended: $12 tenant, $13 run_id
-- dispatch_run_id
with turn as materialized (
    select projections.advance($1, $2, $3, $4) as taken
), written as (
    insert into dispatch as r (tenant, run_id, queued_position, waiting, worker, deadline_us, document)
    select c.*
    from turn, unnest($5::text[], $6::text[], $7::bigint[], $8::boolean[], $9::text[], $10::bigint[], $11::bytea[]) as c
    where turn.taken
    on conflict (tenant, run_id) do update set
        waiting = excluded.waiting, worker = excluded.worker, deadline_us = excluded.deadline_us,
        document = excluded.document
), removed as (
    delete from dispatch r
    using turn, unnest($12::text[], $13::text[]) as c (tenant, run_id)
    where turn.taken and r.tenant = c.tenant and r.run_id = c.run_id
)
select taken from turn
