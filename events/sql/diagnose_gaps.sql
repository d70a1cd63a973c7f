-- Count the events in some ranges of positions, where fewer are there than positions.
-- $1 each range begins after one of these positions, $2 how many positions a range has.
-- Index: log.events_pkey.
select r.after, c.found
from unnest($1::bigint[]) as r (after)
cross join lateral (
    select count(*) as found from log.events e
    where e.position > r.after and e.position <= r.after + $2
) c
where c.found < $2
order by r.after
