-- Walks the runs that wait for a worker, in the order they were queued.
-- no parameters
-- is the index
create index dispatch_waiting on dispatch (queued_position) where waiting
