-- Read the newest events of one type, of the last so many positions.
-- $1 the type, $2 how many positions.
-- Index: log.events_pkey, read backwards.
select e.schema_version, e.body
from log.events e
cross join log.head h
where e.position > h.position - $2 and e.type = $1
