-- Ends a backend, and so its transaction and locks.
-- $1 process id
-- no table, no index
select pg_terminate_backend($1)
