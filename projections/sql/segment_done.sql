-- Marks a segment as done; returns null if another process did so first.
-- $1 rebuild, $2 segment
-- rebuild_segments_pkey
update projections.rebuild_segments set done_at = clock_timestamp()
where rebuild_id = $1 and segment = $2 and done_at is null
returning true
