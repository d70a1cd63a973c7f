-- Lists which version of each read model answers.
-- no parameters
-- registry_pkey (a handful of rows)
select name, serving_version as version from projections.registry order by name
