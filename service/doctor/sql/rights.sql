-- Find the rights that the service's role lacks, of those that it needs in some schemas.
-- $1 the role, $2 names of schemas, $3 what each one's tables must allow, such as 'SELECT, INSERT'.
-- Index: none, the catalogue only. A partition is reached by its table. The functions left out are
-- called by others of their owner alone.
with schemas as (
    select w.name, n.oid, w.privileges
    from unnest($2::text[], $3::text[]) as w (name, privileges)
    left join pg_catalog.pg_namespace n on n.nspname = w.name
), needed (object, privilege, granted) as (
    select 'schema ' || s.name, 'USAGE', coalesce(has_schema_privilege($1, s.oid, 'USAGE'), false)
    from schemas s
    union all
    select
        case c.relkind when 'v' then 'view ' else 'table ' end || c.oid::regclass::text,
        case c.relkind when 'v' then 'SELECT' else p.privilege end,
        has_table_privilege($1, c.oid, case c.relkind when 'v' then 'SELECT' else p.privilege end)
    from schemas s
    join pg_catalog.pg_class c on c.relnamespace = s.oid
    cross join lateral regexp_split_to_table(s.privileges, ', ') as p (privilege)
    where c.relkind in ('r', 'p', 'v') and not c.relispartition
    union all
    select
        'sequence ' || c.oid::regclass::text, 'USAGE',
        case c.relkind when 'S' then has_sequence_privilege($1, c.oid, 'USAGE') end
    from schemas s
    join pg_catalog.pg_class c on c.relnamespace = s.oid
    where c.relkind = 'S'
    union all
    select
        'function ' || f.oid::regprocedure::text, 'EXECUTE',
        has_function_privilege($1, f.oid, 'EXECUTE')
    from schemas s
    join pg_catalog.pg_proc f on f.pronamespace = s.oid
    where f.prorettype <> 'trigger'::regtype and f.proname <> 'version_matches'
    union all
    select
        'database ' || current_database(), 'CREATE',
        has_database_privilege($1, current_database(), 'CREATE')
)
select distinct object, privilege from needed where not granted order by object, privilege
