-- Move the end of the log to the end of the batch.
-- $1 its last position, $2 the time that was recorded.
-- Index: none, the one row of log.head.
update log.head set position = $1, recorded_at = $2
