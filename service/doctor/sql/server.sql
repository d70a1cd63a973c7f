-- Read the server's version, its state, and the settings on which a ledger's safety rests.
-- No parameters.
-- Index: none.
select
    current_setting('server_version_num')::integer / 10000 as major,
    current_setting('server_version') as version,
    pg_catalog.pg_encoding_to_char(d.encoding) as encoding,
    pg_catalog.pg_is_in_recovery() as is_standby,
    pg_catalog.pg_database_size(d.oid) as size_bytes,
    current_setting('fsync') as fsync,
    current_setting('full_page_writes') as full_page_writes,
    current_setting('synchronous_commit') as synchronous_commit,
    current_setting('autovacuum') as autovacuum,
    current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0) as max_connections,
    nullif(d.datconnlimit, -1) as database_limit,
    a.used, a.of_database, a.ours
from pg_catalog.pg_database d
cross join (
    select
        count(*) as used,
        count(*) filter (where datname = current_database()) as of_database,
        count(*) filter (where datname = current_database() and application_name = 'flowledger') as ours
    from pg_catalog.pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid()
) a
where d.datname = current_database()
