-- Lists the serving versions whose tables the role of this session may not read, as after a restore without owners.
-- no parameters
-- the system catalogs; registry_pkey (a handful of rows)
select r.name, r.serving_version as version
from projections.registry r
left join pg_catalog.pg_namespace n on n.nspname = format('%s_v%s', r.name, r.serving_version)
where n.oid is null
    or not has_schema_privilege(n.oid, 'usage')
    or exists (
        select
        from pg_catalog.pg_class c
        where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v') and not has_table_privilege(c.oid, 'select')
    )
order by r.name
