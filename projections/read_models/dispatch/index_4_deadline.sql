-- Walks the runs by deadline.
-- no parameters
-- is the index
create index dispatch_deadline on dispatch (deadline_us) where deadline_us is not null
