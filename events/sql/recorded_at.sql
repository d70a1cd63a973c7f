-- Read when the event at a position was recorded.
-- $1 position.
-- Index: log.events_pkey.
select recorded_at from log.events where position = $1
