-- Reopens a failed rebuild in the phase in which it stopped.
-- $1 rebuild, $2 workers or null, $3 rate or null
-- rebuilds_pkey
update projections.rebuilds
set phase = stopped_in, stopped_in = null, error = null, error_position = null, cancel_requested = false,
    workers = coalesce($2, workers), rate = coalesce($3, rate), updated_at = clock_timestamp()
where rebuild_id = $1 and phase = 'failed'
returning true
