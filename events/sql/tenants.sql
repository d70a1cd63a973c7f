-- List every tenant that has this stream.
-- $1 the stream.
-- Index: log.streams_pkey.
select tenant from log.streams where stream = $1 order by tenant
