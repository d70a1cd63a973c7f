-- Reads which runs a page of a flow's list held at a position, newest first, and the list's length then. Blocks count the runs listed now. Up to the last run queued by then they lead to the page, with the runs that have left since counted back in; in a block that no run has left, the ordinal is plain arithmetic. Not one statement with run_ids_of_tenant_as_of, as a flow's list has another ordinal and index.
-- $1 tenant, $2 fullname, $3 position, $4 offset, $5 limit, $6 last position that a run may be queued at
-- listings_flow_ordinal, backward; listings_unlisted; lists_name, blocks_position, blocks_block
with top as (
    select r.flow_ordinal as ordinal, r.flow_ordinal / 1000 as block
    from listings r
    where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null and r.queued_position <= $6
        and r.flow_ordinal < (
            select (b.block + 1) * 1000
            from blocks b
            where b.tenant = $1 and b.list = $2 and b.first_position <= $6
            order by b.first_position desc
            limit 1
        )
    order by r.flow_ordinal desc
    limit 1
), left_since as materialized (
    select r.run_id, r.flow_ordinal as ordinal
    from listings r
    where r.tenant = $1 and r.fullname = $2 and r.unlisted_position > $3 and r.queued_position <= $6
), listed as materialized (
    select b.block, b.live, b.live = least(1000, l.issued - b.block * 1000) as whole
    from lists l
    join blocks b on b.tenant = $1 and b.list = $2
    where l.tenant = $1 and l.list = $2 and b.block <= (select t.block from top t)
), counts as materialized (
    select n.block, sum(n.runs) as runs
    from (
        select l.block, case
            when l.block < t.block then l.live
            when l.whole then t.ordinal - t.block * 1000 + 1
            else (
                select count(*)
                from listings r
                where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
                    and r.flow_ordinal >= t.block * 1000 and r.flow_ordinal <= t.ordinal
            )
        end as runs
        from listed l, top t
        union all
        select s.ordinal / 1000, count(*) from left_since s group by 1
    ) n
    group by n.block
), found as (
    select c.block, c.newer, (select least(c.block * 1000 + 999, t.ordinal) from top t) as last
    from (
        select block, runs, sum(runs) over (order by block desc rows unbounded preceding) - runs as newer
        from counts
    ) c
    where c.newer + c.runs > $4
    order by c.block desc
    limit 1
), place as (
    select
        f.block,
        case when l.whole then f.last - ($4 - f.newer)::bigint else f.last end as start,
        case when l.whole then 0 else ($4 - f.newer)::bigint end as skipped
    from found f
    left join listed l on l.block = f.block
), runs as (
    select m.run_id, m.ordinal
    from place p
    cross join lateral (
        select r.run_id, r.flow_ordinal as ordinal
        from listings r
        where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null and r.flow_ordinal <= p.start
        order by r.flow_ordinal desc
        limit p.skipped + $5
    ) m
    union all
    select s.run_id, s.ordinal from left_since s, place p where s.ordinal < (p.block + 1) * 1000
), page as (
    select m.run_id, m.ordinal
    from runs m
    order by m.ordinal desc
    offset (select p.skipped from place p)
    limit $5
)
select n.total, p.run_id
from (select coalesce(sum(c.runs), 0)::bigint as total from counts c) n
left join page p on true
order by p.ordinal desc
