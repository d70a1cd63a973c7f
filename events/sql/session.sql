-- Read what the service assumes of a session.
-- No parameters.
-- Index: none.
select
    pg_backend_pid() as pid,
    current_user::text as role,
    current_setting('search_path') as search_path,
    current_setting('standard_conforming_strings') as standard_conforming_strings,
    current_setting('TimeZone') as "TimeZone",
    current_setting('server_encoding') as server_encoding,
    current_setting('client_encoding') as client_encoding,
    current_setting('default_transaction_isolation') as default_transaction_isolation,
    current_setting('transaction_read_only') as transaction_read_only,
    pg_is_in_recovery() as is_standby
