-- Finds what should be over.
-- no parameters
-- is the index
create index dispatch_deadline on dispatch (deadline_us) where deadline_us is not null
