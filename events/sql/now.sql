-- Read the time; no event recorded from now on has an earlier one.
-- No parameters.
-- Index: none, the one row of log.head.
select greatest(clock_timestamp(), recorded_at) as now from log.head
