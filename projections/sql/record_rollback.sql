-- Records a rollback that the same transaction carries out; only its event is still to be appended.
-- $1 name, $2 version that served, $3 version that serves, $4 schema version, $5 started by, $6 source, $7 result
-- rebuilds_open
insert into projections.rebuilds (
    name, purpose, from_version, new_version, schema_version, phase, started_by, source, result
)
values ($1, 'roll back', $2, $3, $4, 'flipping', $5, $6, $7::text::jsonb)
on conflict (name) where phase not in ('finished', 'cancelled') do nothing
returning rebuild_id
