-- Notify other processes of the last position.
-- $1 the channel, $2 the last position, as text.
-- Index: none.
select pg_notify($1, $2)
