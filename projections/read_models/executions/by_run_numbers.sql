-- Reads runs by their numbers.
-- $1 tenants, $2 run numbers
-- executions_run_number
select c.position, r.tenant, r.run_number as name, r.document
from executions_checkpoint c
left join (
    select e.*
    from unnest($1::text[], $2::bigint[]) as k (tenant, run_number)
    join executions e on e.tenant = k.tenant and e.run_number = k.run_number
) r on true
