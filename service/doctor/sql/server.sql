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
    current_setting('autovacuum') as autovacuum
from pg_catalog.pg_database d
where d.datname = current_database()
