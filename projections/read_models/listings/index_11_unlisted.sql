-- Finds the runs that have left a tenant's list since a position, covering.
-- no parameters
-- is the index
create index listings_unlisted on listings (tenant, unlisted_position)
    include (queued_position, ordinal, fullname, flow_ordinal, run_id) where unlisted_position is not null
