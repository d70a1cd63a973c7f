-- Read the bounds of all partitions: each holds the positions from the first one to before the second.
-- No parameters.
-- Index: none, it reads the system catalogs only.
select
    substring(b.bound from 'FROM \(''?(\d+)')::bigint as from_position,
    substring(b.bound from 'TO \(''?(\d+)')::bigint as before_position
from pg_catalog.pg_inherits i
join pg_catalog.pg_class c on c.oid = i.inhrelid
cross join lateral (select pg_catalog.pg_get_expr(c.relpartbound, c.oid) as bound) b
where i.inhparent = 'log.events'::regclass
order by 1
