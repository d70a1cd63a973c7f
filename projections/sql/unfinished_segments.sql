-- Lists the segments of a rebuild that are not done, in the order of their positions.
-- $1 rebuild
-- rebuild_segments_pkey
select segment, after, up_to, initial_counts::text as initial_counts
from projections.rebuild_segments
where rebuild_id = $1 and done_at is null
order by segment
