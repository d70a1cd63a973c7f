-- Records the segments of a rebuild.
-- $1 rebuild, $2 segments, $3 after, $4 up to, $5 initial counts as JSON
-- rebuild_segments_pkey
insert into projections.rebuild_segments (rebuild_id, segment, after, up_to, initial_counts)
select $1, s.segment, s.after, s.up_to, s.initial_counts::jsonb
from unnest($2::integer[], $3::bigint[], $4::bigint[], $5::text[]) as s (segment, after, up_to, initial_counts)
