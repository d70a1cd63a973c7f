-- Tell whose rights a connection has, and whether it may write the log past its append.
-- No parameters.
-- Index: none, the catalogue only.
select
    current_user::text,
    has_table_privilege('log.events', 'insert') and has_table_privilege('log.head', 'update')
