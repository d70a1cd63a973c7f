-- Read how many bytes the database has.
-- No parameters.
-- Index: none.
select pg_catalog.pg_database_size(current_database())
