-- Reads a page of a tenant's list, newest first, with the list's length. Blocks of 1,000 ordinals lead to the page; in a block that no run has left, the ordinal is plain arithmetic. See page_of_flow.
-- $1 tenant, $2 offset, $3 limit
-- blocks_block, backward, then listings_ordinal, backward
with place as (
    select b.block, b.live, least(1000, l.issued - b.block * 1000) as size, $2 - b.newer as skipped
    from lists l
    cross join lateral (
        select block, live, sum(live) over (order by block desc rows unbounded preceding) - live as newer
        from blocks
        where tenant = $1 and list = ''
        order by block desc
    ) b
    where l.tenant = $1 and l.list = '' and b.newer + b.live > $2
    limit 1
), start as (
    select case when p.live = p.size then p.block * 1000 + p.size - 1 - p.skipped else (
        select r.ordinal
        from listings r
        where r.tenant = $1 and r.unlisted_position is null
            and r.ordinal >= p.block * 1000 and r.ordinal < (p.block + 1) * 1000
        order by r.ordinal desc
        offset p.skipped
        limit 1
    ) end as ordinal
    from place p
)
select c.position, coalesce(l.live, 0) as total, r.document
from listings_checkpoint c
left join lists l on l.tenant = $1 and l.list = ''
left join lateral (
    select r.document, r.ordinal as ordinal
    from listings r
    where r.tenant = $1 and r.unlisted_position is null and r.ordinal <= (select ordinal from start)
    order by r.ordinal desc
    limit $3
) r on true
order by r.ordinal desc
