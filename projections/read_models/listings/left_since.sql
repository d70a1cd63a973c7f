-- Lists runs that were in a tenant's list at a position and have left it since, newest first.
-- $1 tenant, $2 position; filters that may be null: $3 fullname, $4 started_by, $5 created from, $6 created before; $7 queued before, $8 limit
-- listings_unlisted
select r.run_id, r.queued_position
from listings r
where r.tenant = $1 and r.unlisted_position > $2 and r.queued_position <= $2
    and r.queued_position < $7
    and ($3::text is null or r.fullname = $3)
    and ($4::text is null or r.started_by = $4)
    and ($5::bigint is null or r.created_us >= $5)
    and ($6::bigint is null or r.created_us < $6)
order by r.queued_position desc
limit $8
