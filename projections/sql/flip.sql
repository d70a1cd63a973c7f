-- Makes another version serve, and keeps the current one for a rollback; the caller has locked both checkpoints.
-- $1 name, $2 version that serves, $3 version that will serve
-- registry_pkey
update projections.registry
set serving_version = $3, previous_version = $2, changed_at = clock_timestamp()
where name = $1 and serving_version = $2
returning true
