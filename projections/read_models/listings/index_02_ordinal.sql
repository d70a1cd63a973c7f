-- Walks a tenant's list.
-- no parameters
-- is the index
create index listings_ordinal on listings (tenant, ordinal) where unlisted_position is null
