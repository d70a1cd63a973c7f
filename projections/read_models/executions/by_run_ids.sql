-- Reads runs by their ids.
-- $1 tenants, $2 run ids
-- executions_run_id
select c.position, r.tenant, r.run_id as name, r.document
from executions_checkpoint c
left join (
    select e.*
    from unnest($1::text[], $2::text[]) as k (tenant, run_id)
    join executions e on e.tenant = k.tenant and e.run_id = k.run_id
) r on true
