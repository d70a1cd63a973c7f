-- Lists the versions that projectors keep up to date: all but those being built.
-- no parameters
-- checkpoints_pkey (a handful of rows)
select name, version, schema_version from projections.checkpoints where state <> 'building' order by name, version
