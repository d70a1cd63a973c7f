-- Loads the states of runs and flows that a batch of events continues.
-- $1 kinds, $2 tenants, $3 run ids or fullnames
-- workflows_run_id, flows_fullname
select k.kind, k.tenant, k.name, r.document
from unnest($1::text[], $2::text[], $3::text[]) as k (kind, tenant, name)
join workflows r on k.kind = 'run' and r.tenant = k.tenant and r.run_id = k.name
union all
select k.kind, k.tenant, k.name, f.document
from unnest($1::text[], $2::text[], $3::text[]) as k (kind, tenant, name)
join flows f on k.kind = 'flow' and f.tenant = k.tenant and f.fullname = k.name
