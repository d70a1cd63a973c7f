-- Find the request that used an idempotency key.
-- $1 tenant, $2 key.
-- Index: log.idempotency_pkey, then log.events_pkey for the stream of its first event.
select i.fingerprint, i.first_position, i.last_position, e.stream
from log.idempotency i
join log.events e on e.position = i.first_position
where i.tenant = $1 and i.key = $2
