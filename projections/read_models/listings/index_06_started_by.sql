-- Walks a tenant's listed runs of one starter from a position.
-- no parameters
-- is the index
create index listings_started_by on listings (tenant, started_by, queued_position) where unlisted_position is null
