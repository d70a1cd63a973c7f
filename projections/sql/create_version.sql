-- Makes a version's schema, its view of its checkpoint, and enters it.
-- $1 name, $2 version, $3 shape
-- no index
select projections.create_version($1, $2, $3)
