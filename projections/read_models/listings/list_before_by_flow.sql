-- Lists a flow's runs queued before a position, newest first. A window of creation times is first narrowed to positions, by the blocks. One statement for each leading filter: a generic plan cannot choose its index by which parameter is null.
-- $1 tenant; filters that may be null: $2 fullname, $3 status, $4 started_by, $5 created from, $6 created before; $7 queued before, $8 limit
-- listings_flow_ordinal, backward; blocks_created, blocks_position, listings_position
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
), ordinals as (
    select
        coalesce((
            select b.block * 1000
            from blocks b
            where b.tenant = $1 and b.list = $2 and b.first_position <= (select lower from bounds)
            order by b.first_position desc
            limit 1
        ), 0) as first_ordinal,
        least((
            select r.flow_ordinal
            from listings r
            where r.tenant = $1 and r.queued_position = $7 and r.fullname = $2 and r.unlisted_position is null
        ), (
            select b.block * 1000 + 1000
            from blocks b
            where b.tenant = $1 and b.list = $2 and b.first_position < (select upper from bounds)
            order by b.first_position desc
            limit 1
        )) as end_ordinal
)
select c.position, r.document
from listings_checkpoint c
left join lateral (
    select r.document, r.queued_position
    from listings r
    where r.tenant = $1 and r.fullname = $2 and r.unlisted_position is null
        and r.queued_position < (select upper from bounds) and r.queued_position >= (select lower from bounds)
        and r.flow_ordinal >= (select first_ordinal from ordinals) and r.flow_ordinal < (select end_ordinal from ordinals)
        and ($3::text is null or r.status = $3)
        and ($4::text is null or r.started_by = $4)
        and ($5::bigint is null or r.created_us >= $5)
        and ($6::bigint is null or r.created_us < $6)
    order by r.flow_ordinal desc
    limit $8
) r on true
order by r.queued_position desc
