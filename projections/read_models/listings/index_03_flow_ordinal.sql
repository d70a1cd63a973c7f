-- Walks a flow's list.
-- no parameters
-- is the index
create index listings_flow_ordinal on listings (tenant, fullname, flow_ordinal) where unlisted_position is null
