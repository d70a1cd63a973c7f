-- Loads the states of runs that a batch of events continues.
-- $1 kinds, $2 tenants, $3 run ids
-- executions_run_id
select k.kind, k.tenant, k.name, r.document
from unnest($1::text[], $2::text[], $3::text[]) as k (kind, tenant, name)
join executions r on r.tenant = k.tenant and r.run_id = k.name
