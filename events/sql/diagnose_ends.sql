-- Read where the counter row says that the log ends, and where its events begin and end.
-- No parameters.
-- Index: log.events_pkey from both ends; log.head has one row.
select
    h.position as head, h.recorded_at,
    (select min(e.position) from log.events e) as first_position,
    (select max(e.position) from log.events e) as last_position,
    extract(epoch from h.recorded_at - clock_timestamp())::float8 as ahead_of_clock_s
from log.head h
