-- Notes that a part is done, unless another process has done it.
-- $1 rebuild, $2 part
-- rebuild_parts_pkey
update projections.rebuild_parts set done_at = clock_timestamp()
where rebuild_id = $1 and part = $2 and done_at is null
returning true
