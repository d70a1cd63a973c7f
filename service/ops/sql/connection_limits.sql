-- Read each limit on the connections of this login and database, and how many are open now.
-- No parameters.
-- Index: none. Of other roles' sessions not every role sees more than the database.
with sessions as (
    select datname, usename
    from pg_catalog.pg_stat_activity
    where datname is not null and pid <> pg_backend_pid()
)
select
    'the server (max_connections less those reserved)' as name,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) as most,
    (select count(*) from sessions)::integer as used
union all
select
    format('database %I (connection limit)', d.datname), d.datconnlimit,
    (select count(*) from sessions s where s.datname = d.datname)::integer
from pg_catalog.pg_database d
where d.datname = current_database() and d.datconnlimit >= 0
union all
select
    format('role %I (connection limit)', r.rolname), r.rolconnlimit,
    (select count(*) from sessions s where s.usename = r.rolname)::integer
from pg_catalog.pg_roles r
where r.rolname = session_user and r.rolconnlimit >= 0
