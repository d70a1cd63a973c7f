-- Lists the open rebuilds that no process works on: one that does holds a lock, which ends with its connection.
-- $1 class of the locks
-- rebuilds_open (a handful of rows)
select b.name, b.schema_version
from projections.rebuilds b
where b.phase not in ('finished', 'cancelled', 'failed') and not exists (
    select from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.classid = $1::oid and l.objid = hashtext(b.name)::oid and l.objsubid = 2
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
)
order by b.name
