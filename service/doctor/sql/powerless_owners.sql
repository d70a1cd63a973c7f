-- Find SECURITY DEFINER functions whose owner may not write the tables of their schema.
-- $1 the schema of the log.
-- Index: none, it reads the system catalogs only.
select distinct f.oid::regproc::text as function, pg_get_userbyid(f.proowner) as owner
from pg_catalog.pg_proc f
join pg_catalog.pg_class c on c.relnamespace = f.pronamespace
where f.pronamespace = to_regnamespace($1) and f.prosecdef
    and c.relkind in ('r', 'p') and not c.relispartition
    and not has_table_privilege(f.proowner, c.oid, 'INSERT')
order by function
