-- Tells whether a version of a read model is set up.
-- $1 name, $2 version
-- checkpoints_pkey
select exists (select from projections.checkpoints where name = $1 and version = $2)
