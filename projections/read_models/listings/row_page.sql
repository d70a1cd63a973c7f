-- Reads a page of a flow's list in which each run has as many rows as its flow version says, newest run first: the runs with rows in it, the number of all rows, and the newest run. A version's runs are queued from its bound up to the next, so counting runs leads to the rows; blocks count and find the runs as in page_of_flow.
-- $1 tenant, $2 fullname, $3 bounds (positions, ascending, the first 0), $4 rows per run from each bound on, $5 offset and $6 limit in rows
-- blocks_position, blocks_block, listings_flow_ordinal, backward
with bounds as materialized (
    select s.number, s.weight, (
        select coalesce(sum(b.live), 0)
        from blocks b
        where b.tenant = $1 and b.list = $2 and b.block < k.block
    ) + (
        select count(*)
        from listings r
        where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
            and r.flow_ordinal >= k.block * 1000 and r.flow_ordinal < (k.block + 1) * 1000
            and r.queued_position < s.bound
    ) as older
    from unnest($3::bigint[], $4::bigint[]) with ordinality as s (bound, weight, number)
    left join lateral (
        select b.block
        from blocks b
        where b.tenant = $1 and b.list = $2 and b.first_position < s.bound
        order by b.first_position desc
        limit 1
    ) k on true
), ranges as materialized (
    select weight, runs,
        (sum(runs) over newest - runs)::bigint as newer_runs,
        (sum(runs * weight) over newest - runs * weight)::bigint as newer_rows
    from (
        select b.number, b.weight, lead(b.older, 1, l.live) over (order by b.number) - b.older as runs
        from bounds b
        join lists l on l.tenant = $1 and l.list = $2
    ) n
    window newest as (order by number desc rows unbounded preceding)
), wanted as (
    select weight, newer_runs, newer_rows, first, (last + weight - 1) / weight - first / weight as runs
    from (
        select s.*, greatest(0, $5::bigint - newer_rows) as first,
            least(runs * weight, $5::bigint + $6::bigint - newer_rows) as last
        from ranges s
        where weight > 0
    ) s
    where last > first
), found as (
    select d.document, d.ordinal
    from wanted a
    cross join lateral (
        select b.block, b.live, least(1000, l.issued - b.block * 1000) as size,
            a.newer_runs + a.first / a.weight - b.newer as skipped
        from lists l
        cross join lateral (
            select block, live, sum(live) over (order by block desc rows unbounded preceding) - live as newer
            from blocks
            where tenant = $1 and list = $2
            order by block desc
        ) b
        where l.tenant = $1 and l.list = $2 and b.newer + b.live > a.newer_runs + a.first / a.weight
        limit 1
    ) p
    cross join lateral (
        select case when p.live = p.size then p.block * 1000 + p.size - 1 - p.skipped else (
            select r.flow_ordinal
            from listings r
            where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
                and r.flow_ordinal >= p.block * 1000 and r.flow_ordinal < (p.block + 1) * 1000
            order by r.flow_ordinal desc
            offset p.skipped
            limit 1
        ) end as ordinal
    ) t
    cross join lateral (
        select r.document, r.flow_ordinal as ordinal
        from listings r
        where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null and r.flow_ordinal <= t.ordinal
        order by r.flow_ordinal desc
        limit a.runs
    ) d
)
select
    c.position,
    (select coalesce(sum(s.runs * s.weight), 0)::bigint from ranges s) as total,
    (select a.first % a.weight from wanted a order by a.newer_rows limit 1) as skipped,
    (
        select r.document
        from listings r
        where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
        order by r.flow_ordinal desc
        limit 1
    ) as newest,
    f.document
from listings_checkpoint c
left join found f on true
order by f.ordinal desc
