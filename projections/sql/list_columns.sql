-- Lists the columns of the tables of a schema, with their types.
-- $1 schema
-- pg_class, pg_attribute by relation
select t.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod)
from pg_catalog.pg_class t
join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
where t.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and t.relkind = 'r'
order by t.relname, a.attnum
