-- Moves a rebuild from one phase to another; returns null if it is not in that phase.
-- $1 rebuild, $2 from phase, $3 to phase, $4 target or null, $5 result or null
-- rebuilds_pkey
update projections.rebuilds
set phase = $3, target = coalesce($4, target), result = coalesce($5::text::jsonb, result), error = null,
    error_position = null, stopped_in = null, updated_at = clock_timestamp()
where rebuild_id = $1 and phase = $2
returning true
