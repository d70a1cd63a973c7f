-- Has another version answer, and keeps the one before for a way back; the caller holds both.
-- $1 name, $2 version that answered, $3 version that answers
-- registry_pkey
update projections.registry
set serving_version = $3, previous_version = $2, changed_at = clock_timestamp()
where name = $1 and serving_version = $2
returning true
