-- Read the size of the log in buckets: the last position and the bytes of bodies of each.
-- $1 up to this position, $2 positions in a bucket.
-- Index: log.events_pkey, a range for each bucket: grouping all rows would sort them.
select least(b.after + $2::bigint, $1) as last, s.size_bytes
from generate_series(0, $1::bigint - 1, $2::bigint) as b (after)
cross join lateral (
    select coalesce(sum(octet_length(e.body)), 0)::bigint as size_bytes
    from log.events e
    where e.position > b.after and e.position <= b.after + $2::bigint and e.position <= $1
) s
order by b.after
