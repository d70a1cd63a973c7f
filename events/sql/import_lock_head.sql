-- Hold all other writers off, and tell where the log ends.
-- No parameters.
-- Index: none, the one row of log.head.
select position from log.head for update nowait
