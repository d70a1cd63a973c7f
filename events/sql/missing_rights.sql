-- Write the statements by which an owner gives a role what it needs and takes away what it must not have; no row: all is right.
-- $1 the role; $2 schemas whose tables it uses, $3 what each one's tables allow it ('select, insert'); $4 schemas that it owns.
-- Index: none, it reads the system catalogs only. A partition is reached by its table.
-- Functions for triggers, and those that only functions of their owner call, stay the owner's.
with used as (
    select n.oid, n.nspname as name, w.allowed
    from unnest($2::text[], $3::text[]) as w (name, allowed)
    join pg_catalog.pg_namespace n on n.nspname = w.name
), tables as (
    select c.oid, c.oid::regclass::text as name, used.allowed
    from used
    join pg_catalog.pg_class c on c.relnamespace = used.oid and c.relkind in ('r', 'p') and not c.relispartition
), functions as (
    select
        f.oid, f.oid::regprocedure::text as name,
        f.prorettype <> 'trigger'::regtype and f.proname <> 'version_matches' as is_callable,
        has_function_privilege('public', f.oid, 'execute') as is_public
    from used
    join pg_catalog.pg_proc f on f.pronamespace = used.oid
), owned as (
    select n.oid, n.nspname as name, n.nspowner
    from pg_catalog.pg_namespace n
    where n.nspname = any($4::text[])
), statements (step, statement) as (
    select 1, format('grant create on database %I to %I', current_database(), $1::text)
    where not has_database_privilege($1, current_database(), 'create')
    union all
    select 2, format('grant usage on schema %I to %I', used.name, $1)
    from used
    where not has_schema_privilege($1, used.oid, 'usage')
    union all
    select 3, format('grant %s on %s to %I', string_agg(p.privilege, ', '), tables.name, $1)
    from tables
    cross join lateral regexp_split_to_table(tables.allowed, ', ') as p (privilege)
    where not has_table_privilege($1, tables.oid, p.privilege)
    group by tables.name
    union all
    select 3, format('grant usage on sequence %s to %I', c.oid::regclass, $1)
    from used
    join pg_catalog.pg_class c on c.relnamespace = used.oid
    -- The planner may ask for each condition first, and this right is an error for a table.
    where case c.relkind when 'S' then not has_sequence_privilege($1, c.oid, 'usage') end
    union all
    select 3, format('grant execute on function %s to %I', functions.name, $1)
    from functions
    where functions.is_callable
        and (functions.is_public or not has_function_privilege($1, functions.oid, 'execute'))
    union all
    select 4, format('revoke %s on %s from %s, %I', string_agg(p.privilege, ', '), tables.name, 'public', $1)
    from tables
    cross join (values ('insert'), ('update'), ('delete'), ('truncate')) as p (privilege)
    where has_table_privilege($1, tables.oid, p.privilege)
        and p.privilege <> all (regexp_split_to_array(tables.allowed, ', '))
    group by tables.name
    union all
    select 4, format('revoke execute on function %s from %s', functions.name, 'public')
    from functions
    where functions.is_public
    union all
    select 5, format('alter schema %I owner to %I', owned.name, $1)
    from owned
    where owned.nspowner <> to_regrole($1)::oid
    union all
    select 6, format('alter table %s owner to %I', c.oid::regclass, $1)
    from owned
    join pg_catalog.pg_class c on c.relnamespace = owned.oid
    where c.relkind in ('r', 'p', 'v') and c.relowner <> to_regrole($1)::oid
)
select statement from statements order by step, statement
