-- Computes row count and checksum of each table of a version.
-- $1 schema
-- no index, the tables whole
select table_name, row_count, digest from projections.digest($1)
