-- Reads a page of a flow's list, newest first, with the list's length. Blocks of 1,000 ordinals lead to the page; in a block that no run has left, the ordinal is plain arithmetic. Not one statement with page_of_tenant, as a flow's list has another ordinal and index.
-- $1 tenant, $2 fullname, $3 offset, $4 limit
-- blocks_block, backward, then listings_flow_ordinal, backward
with place as (
    select b.block, b.live, least(1000, l.issued - b.block * 1000) as size, $3 - b.newer as skipped
    from lists l
    cross join lateral (
        select block, live, sum(live) over (order by block desc rows unbounded preceding) - live as newer
        from blocks
        where tenant = $1 and list = $2
        order by block desc
    ) b
    where l.tenant = $1 and l.list = $2 and b.newer + b.live > $3
    limit 1
), start as (
    select case when p.live = p.size then p.block * 1000 + p.size - 1 - p.skipped else (
        select r.flow_ordinal
        from listings r
        where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
            and r.flow_ordinal >= p.block * 1000 and r.flow_ordinal < (p.block + 1) * 1000
        order by r.flow_ordinal desc
        offset p.skipped
        limit 1
    ) end as ordinal
    from place p
)
select c.position, coalesce(l.live, 0) as total, r.document
from listings_checkpoint c
left join lists l on l.tenant = $1 and l.list = $2
left join lateral (
    select r.document, r.flow_ordinal as ordinal
    from listings r
    where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null and r.flow_ordinal <= (select ordinal from start)
    order by r.flow_ordinal desc
    limit $4
) r on true
order by r.ordinal desc
