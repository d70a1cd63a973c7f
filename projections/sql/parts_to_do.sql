-- Lists the parts of a rebuild that are not done, in the order of their positions.
-- $1 rebuild
-- rebuild_parts_pkey
select part, after, up_to, begun::text as begun
from projections.rebuild_parts
where rebuild_id = $1 and done_at is null
order by part
