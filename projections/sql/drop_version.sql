-- Drops a version, its tables and its checkpoint.
-- $1 name, $2 version
-- no index
select projections.drop_version($1, $2)
