-- Creates a version's schema and the view of its checkpoint, and records the version.
-- $1 name, $2 version, $3 schema version
-- no index
select projections.create_version($1, $2, $3)
