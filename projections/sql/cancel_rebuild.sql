-- Requests the cancellation of a rebuild; a failed one becomes open again, so that a process carries it out.
-- $1 name
-- rebuilds_open
update projections.rebuilds
set cancel_requested = true, phase = case when phase = 'failed' then stopped_in else phase end,
    updated_at = clock_timestamp()
where name = $1 and phase not in ('finished', 'cancelled', 'flipping')
returning rebuild_id
