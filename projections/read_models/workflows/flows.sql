-- Lists a tenant's flows by name, retired ones too.
-- $1 tenant
-- flows_fullname
select c.position, f.document
from workflows_checkpoint c
left join flows f on f.tenant = $1
order by f.fullname
