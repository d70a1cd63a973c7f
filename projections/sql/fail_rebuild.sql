-- Records why a rebuild stopped, and in which phase.
-- $1 rebuild, $2 error, $3 position of the event at fault or null
-- rebuilds_pkey
update projections.rebuilds
set stopped_in = phase, phase = 'failed', error = $2, error_position = $3, updated_at = clock_timestamp()
where rebuild_id = $1 and phase not in ('finished', 'cancelled', 'failed')
