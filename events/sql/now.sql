-- Tell the time that no event recorded from now on is older than.
-- No parameters.
-- Index: none, the one row of log.head.
select greatest(clock_timestamp(), recorded_at) as now from log.head
