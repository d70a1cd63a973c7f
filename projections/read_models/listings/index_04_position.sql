-- Walks a tenant's listed runs from a position.
-- no parameters
-- is the index
create index listings_position on listings (tenant, queued_position) where unlisted_position is null
