-- Reads runs with their tasks by their ids.
-- $1 tenants, $2 run ids
-- workflows_run_id
select c.position, r.tenant, r.run_id as name, r.document
from workflows_checkpoint c
left join (
    select w.*
    from unnest($1::text[], $2::text[]) as k (tenant, run_id)
    join workflows w on w.tenant = k.tenant and w.run_id = k.run_id
) r on true
