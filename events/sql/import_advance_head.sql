-- Move the end of the log to that of the batch.
-- $1 its last position, $2 when that was recorded.
-- Index: none, the one row of log.head.
update log.head set position = $1, recorded_at = $2
