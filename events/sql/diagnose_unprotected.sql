-- Find the tables of the log without an enabled trigger that refuses changes.
-- No parameters.
-- Index: none, it reads the system catalogs only.
select c.oid::regclass::text as name
from pg_catalog.pg_class c
where c.relnamespace = 'log'::regnamespace
    and (c.relname in ('events', 'head', 'streams', 'event_ids') or c.relispartition and c.relkind = 'r')
    and not exists (
        select from pg_catalog.pg_trigger t
        where t.tgrelid = c.oid and t.tgname = 'refuse_statement' and t.tgenabled in ('O', 'A')
    )
order by 1
