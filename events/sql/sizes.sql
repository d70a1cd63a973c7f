-- Weigh the log in buckets of so many positions: the last position and the bytes of the bodies of each.
-- $1 up to this position, $2 positions in a bucket.
-- Index: log.events_pkey.
select least((b.bucket + 1) * $2::bigint, $1) as last, b.size_bytes
from (
    select (e.position - 1) / $2::bigint as bucket, sum(octet_length(e.body))::bigint as size_bytes
    from log.events e
    where e.position <= $1
    group by 1
) b
order by b.bucket
