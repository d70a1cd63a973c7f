-- Find what an idempotency key was answered with.
-- $1 tenant, $2 key.
-- Index: log.idempotency_pkey, and log.events_pkey for the first event's stream.
select i.fingerprint, i.first_position, i.last_position, e.stream
from log.idempotency i
join log.events e on e.position = i.first_position
where i.tenant = $1 and i.key = $2
