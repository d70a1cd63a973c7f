-- Read where the log ends, and the leaf hash at a position that is known to be there.
-- $1 the position.
-- Index: log.events_pkey; log.head has one row.
select h.position as head, e.leaf_hash, pg_is_in_recovery() as is_standby
from log.head h
left join log.events e on e.position = $1
