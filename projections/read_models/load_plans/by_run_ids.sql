-- Reads runs as load plans by their ids.
-- $1 tenants, $2 run ids
-- load_plans_run_id
select c.position, r.tenant, r.run_id as name, r.document
from load_plans_checkpoint c
left join (
    select p.*
    from unnest($1::text[], $2::text[]) as k (tenant, run_id)
    join load_plans p on p.tenant = k.tenant and p.run_id = k.run_id
) r on true
