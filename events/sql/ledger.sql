-- Identify the ledger: the last position of the log, and the leaf hash at position 1.
-- No parameters.
-- Index: log.events_pkey.
select h.position, e.leaf_hash from log.head h left join log.events e on e.position = 1
