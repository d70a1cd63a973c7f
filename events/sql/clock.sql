-- Read the server's clock, which may be behind the last event.
-- No parameters.
-- Index: none.
select clock_timestamp() as now
