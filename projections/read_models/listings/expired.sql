-- Lists ended runs that are not among the newest ones that their flows' lists keep, oldest first. As for a page, blocks of 1,000 ordinals lead to where the newest ones end.
-- $1 tenants, $2 fullnames, $3 runs that each flow keeps, $4 limit
-- lists_name; blocks_block, backward; listings_flow_ordinal
with kept as materialized (
    select l.tenant, l.list as fullname, l.issued, a.kept
    from unnest($1::text[], $2::text[], $3::bigint[]) as a (tenant, fullname, kept)
    join lists l on l.tenant = a.tenant and l.list = a.fullname
    where l.live > a.kept
), expired as (
    select r.tenant, r.run_id, k.kept
    from kept k
    cross join lateral (
        select b.block, k.kept - b.newer as skipped
        from (
            select block, live, sum(live) over (order by block desc rows unbounded preceding) - live as newer
            from blocks
            where tenant = k.tenant and list = k.fullname
            order by block desc
        ) b
        where b.newer + b.live > k.kept
        limit 1
    ) p
    cross join lateral (
        select r.flow_ordinal as ordinal
        from listings r
        where r.tenant = k.tenant and r.fullname = k.fullname and r.unlisted_position is null
            and r.flow_ordinal >= p.block * 1000 and r.flow_ordinal < (p.block + 1) * 1000
        order by r.flow_ordinal desc
        offset p.skipped
        limit 1
    ) s
    cross join lateral (
        select r.tenant, r.run_id
        from listings r
        where r.tenant = k.tenant and r.fullname = k.fullname and r.unlisted_position is null
            and r.flow_ordinal <= s.ordinal and r.status in ('succeeded', 'warned', 'failed', 'cancelled')
        order by r.flow_ordinal
        limit $4
    ) r
    limit $4
)
select c.position, b.tenant, b.run_id, b.kept
from listings_checkpoint c
left join expired b on true
