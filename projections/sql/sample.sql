-- Selects rows of runs of a version; if another version is given, those that differ from it come first.
-- $1 schema, $2 table, $3 schema of the other version or null, $4 maximum
-- no index, the tables whole
select tenant, run_id, document, differs from projections.sample($1, $2, $3, $4)
