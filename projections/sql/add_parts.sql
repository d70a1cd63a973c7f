-- Enters the parts of a rebuild.
-- $1 rebuild, $2 parts, $3 after, $4 up to, $5 what each begins with, as JSON
-- rebuild_parts_pkey
insert into projections.rebuild_parts (rebuild_id, part, after, up_to, begun)
select $1, p.part, p.after, p.up_to, p.begun::jsonb
from unnest($2::integer[], $3::bigint[], $4::bigint[], $5::text[]) as p (part, after, up_to, begun)
