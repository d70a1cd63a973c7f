-- Picks rows of a version that are about runs, those first that stand otherwise in another version.
-- $1 schema, $2 table, $3 schema of the other version or null, $4 how many
-- no index, the tables whole
select tenant, run_id, document, differs from projections.sample($1, $2, $3, $4)
