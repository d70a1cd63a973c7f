-- Lists the versions that are to be kept up to date: all but those that are being built.
-- no parameters
-- checkpoints_pkey (a handful of rows)
select name, version, shape from projections.checkpoints where state <> 'building' order by name, version
