-- Deletes the segments of a rebuild that has ended.
-- $1 rebuild
-- rebuild_segments_pkey
delete from projections.rebuild_segments where rebuild_id = $1
