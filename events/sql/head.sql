-- Read the last position of the log.
-- No parameters.
-- Index: none, the one row of log.head.
select position from log.head
