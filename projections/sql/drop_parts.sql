-- Forgets the parts of a rebuild that is over.
-- $1 rebuild
-- rebuild_parts_pkey
delete from projections.rebuild_parts where rebuild_id = $1
