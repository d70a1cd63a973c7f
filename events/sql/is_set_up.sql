-- Tell whether the table of applied migrations exists, to a role without any right too.
-- No parameters.
-- Index: none, it reads the system catalogs only.
select exists (
    select from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'log' and c.relname = 'migrations'
)
