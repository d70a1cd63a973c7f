-- Loads the states of runs and lists that a batch of events continues.
-- $1 kinds, $2 tenants, $3 run ids or names of lists
-- listings_run_id, lists_name
select k.kind, k.tenant, k.name, r.document, r.ordinal, r.flow_ordinal, r.unlisted_position, null::bigint as issued
from unnest($1::text[], $2::text[], $3::text[]) as k (kind, tenant, name)
join listings r on k.kind = 'run' and r.tenant = k.tenant and r.run_id = k.name
union all
select k.kind, k.tenant, k.name, null, null, null, null, l.issued
from unnest($1::text[], $2::text[], $3::text[]) as k (kind, tenant, name)
join lists l on k.kind = 'list' and l.tenant = k.tenant and l.list = k.name
