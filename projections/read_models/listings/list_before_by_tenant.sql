-- Lists a tenant's runs queued before a position, newest first. A window of creation times is first narrowed to positions, by the blocks. See list_before_by_flow.
-- $1 tenant; filters that may be null: $2 fullname, $3 status, $4 started_by, $5 created from, $6 created before; $7 queued before, $8 limit
-- listings_position, backward; blocks_created
with bounds as (
    select
        least($7::bigint, (
            select b.first_position
            from blocks b
            where b.tenant = $1 and b.list = '' and b.first_created_us >= $6
            order by b.first_created_us, b.block
            limit 1
        )) as upper,
        coalesce((
            select b.first_position
            from blocks b
            where b.tenant = $1 and b.list = '' and b.first_created_us < $5
            order by b.first_created_us desc, b.block desc
            limit 1
        ), 0) as lower
)
select c.position, r.document
from listings_checkpoint c
left join lateral (
    select r.document, r.queued_position
    from listings r
    where r.tenant = $1 and r.unlisted_position is null
        and r.queued_position < (select upper from bounds) and r.queued_position >= (select lower from bounds)
        and ($2::text is null or r.fullname = $2)
        and ($3::text is null or r.status = $3)
        and ($4::text is null or r.started_by = $4)
        and ($5::bigint is null or r.created_us >= $5)
        and ($6::bigint is null or r.created_us < $6)
    order by r.queued_position desc
    limit $8
) r on true
order by r.queued_position desc
