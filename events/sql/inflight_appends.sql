-- List the transactions that hold the counter row or wait for it: those of appends.
-- No parameters.
-- Index: none, the server's table of locks.
select l.virtualtransaction as name
from pg_locks l
join pg_database d on d.oid = l.database
where d.datname = current_database() and l.relation = 'log.head'::regclass and l.mode = 'RowShareLock'
