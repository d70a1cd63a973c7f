-- Read by how many seconds the server's clock is behind the last event; 0.0 if it is not.
-- No parameters.
-- Index: none, the one row of log.head.
select greatest(extract(epoch from h.recorded_at - clock_timestamp()), 0)::float8 as behind_s from log.head h
