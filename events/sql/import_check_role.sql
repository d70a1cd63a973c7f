-- Read the connection's role, and whether it may write the log directly.
-- No parameters.
-- Index: none, it reads the system catalogs only.
select
    current_user::text,
    has_table_privilege('log.events', 'insert') and has_table_privilege('log.head', 'update')
