-- Lists all versions of all read models, those being built too: each has a schema.
-- no parameters
-- checkpoints_pkey (a handful of rows)
select name, version from projections.checkpoints order by name, version
