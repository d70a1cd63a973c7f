-- Find the first request whose events continue beyond the end of the log.
-- No parameters.
-- Index: log.idempotency_first_position, read whole.
select i.first_position, i.last_position
from log.idempotency i
where i.last_position > (select h.position from log.head h)
order by i.first_position
limit 1
