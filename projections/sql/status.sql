-- Reads the status of every version of every read model; the lag in seconds is the age of the first unapplied event.
-- no parameters
-- head_pkey, events_pkey by position
select
    c.name, c.version, c.position, h.position as head, greatest(h.position - c.position, 0) as lag_events,
    greatest(coalesce(extract(epoch from clock_timestamp() - e.recorded_at), 0), 0)::float8 as lag_s,
    c.state, c.error, c.error_position, coalesce(r.serving_version = c.version, false) as serving
from projections.checkpoints c
cross join log.head h
left join projections.registry r on r.name = c.name
left join lateral (select recorded_at from log.events where position = c.position + 1) e on true
order by c.name, c.version
