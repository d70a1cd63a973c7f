-- Find the last position recorded at or before a moment (0 if none), and the head.
-- $1 the moment.
-- Index: log.events_pkey, one row for each halving: recorded_at never goes back along position.
with recursive head as materialized (
    select h.position from log.head h
), search (low, high) as (
    select 0::bigint, head.position from head
    union all
    -- A missing row belongs to a detached partition, which is older than all that remain.
    select
        case when coalesce(e.recorded_at <= $1, true) then m.middle else s.low end,
        case when coalesce(e.recorded_at <= $1, true) then s.high else m.middle - 1 end
    from search s
    cross join lateral (select (s.low + s.high + 1) / 2 as middle offset 0) m
    left join lateral (
        select e.recorded_at from log.events e where e.position = m.middle offset 0
    ) e on true
    where s.low < s.high
)
select s.low as position, head.position as head from search s, head where s.low = s.high
