-- Check that an append would get its lock, and that a write can be committed.
-- No parameters.
-- Index: none, the one row of log.head and of log.probed.
select log.probe()
