-- Walks the runs that workers have claimed.
-- no parameters
-- is the index
create index dispatch_worker on dispatch (worker, queued_position) where worker is not null
