-- Enters a change back that is made in the same transaction; what is left is to record it.
-- $1 name, $2 version that answered, $3 version that answers, $4 shape, $5 started by, $6 source, $7 result
-- rebuilds_open
insert into projections.rebuilds (
    name, purpose, from_version, new_version, shape, phase, started_by, source, result
)
values ($1, 'roll back', $2, $3, $4, 'flipping', $5, $6, $7::text::jsonb)
on conflict (name) where phase not in ('finished', 'cancelled') do nothing
returning rebuild_id
