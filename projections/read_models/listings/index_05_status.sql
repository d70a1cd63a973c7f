-- Walks a tenant's listed runs of one status from a position.
-- no parameters
-- is the index
create index listings_status on listings (tenant, status, queued_position) where unlisted_position is null
