-- Reads runs as load plans by their numbers.
-- $1 tenants, $2 run numbers
-- load_plans_run_number
select c.position, r.tenant, r.run_number as name, r.document
from load_plans_checkpoint c
left join (
    select p.*
    from unnest($1::text[], $2::bigint[]) as k (tenant, run_number)
    join load_plans p on p.tenant = k.tenant and p.run_number = k.run_number
) r on true
