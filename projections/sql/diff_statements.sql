-- Makes, for each table of a schema, the statements that count and show the rows that differ from another schema's.
-- $1 schema on the left, $2 on the right
-- pg_class, pg_index, pg_attribute by relation; a table's key is its one unique index, as a test ensures
select
    t.relname::text as table_name,
    k.names as key,
    format(
        'select count(*) as rows, count(*) filter (where r.%1$I is null) as only_left, '
        'count(*) filter (where l.%1$I is null) as only_right, '
        'count(*) filter (where l.%1$I is not null and r.%1$I is not null and (%2$s)) as differing '
        'from %3$I.%5$I l full join %4$I.%5$I r on %6$s',
        k.names[1], c.distinct_columns, $1::text, $2::text, t.relname, k.same
    ) as count_rows,
    format(
        'select l, r from %1$I.%3$I l full join %2$I.%3$I r on %4$s '
        'where %5$s limit $1',
        $1::text, $2::text, t.relname, k.same, c.distinct_columns
    ) as show_rows
from pg_catalog.pg_class t
join pg_catalog.pg_index i on i.indrelid = t.oid and i.indisunique
cross join lateral (
    select
        array_agg(a.attname::text order by x.place) as names,
        string_agg(format('l.%1$I = r.%1$I', a.attname), ' and ' order by x.place) as same
    from unnest(i.indkey) with ordinality as x (attnum, place)
    join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = x.attnum
) k
cross join lateral (
    select string_agg(format('l.%1$I is distinct from r.%1$I', a.attname), ' or ' order by a.attnum) as distinct_columns
    from pg_catalog.pg_attribute a
    where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped
) c
where t.relnamespace = (select n.oid from pg_catalog.pg_namespace n where n.nspname = $1) and t.relkind = 'r'
order by t.relname
