-- Walks a tenant's flows in the order of their names, and finds an insert's conflict.
-- no parameters
-- is the index
create unique index flows_fullname on flows (tenant, fullname)
