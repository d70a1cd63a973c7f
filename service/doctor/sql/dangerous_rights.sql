-- Find the rights by which the service's role could change the log other than by its functions.
-- $1 the role, $2 the schema of the log.
-- Index: none, the catalogue only.
select c.oid::regclass::text as object, p.privilege
from pg_catalog.pg_class c
cross join (values ('INSERT'), ('UPDATE'), ('DELETE'), ('TRUNCATE')) as p (privilege)
where c.relnamespace = to_regnamespace($2) and c.relkind in ('r', 'p')
    and has_table_privilege($1, c.oid, p.privilege)
order by object, p.privilege
