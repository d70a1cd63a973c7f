-- Lock out all other writers, and read where the log ends.
-- No parameters.
-- Index: none, the one row of log.head.
select position from log.head for update nowait
