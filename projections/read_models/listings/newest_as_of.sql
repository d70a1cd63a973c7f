-- Reads which run was the newest in the list of each of a tenant's flows at a position; blocks bound the search among the runs still listed.
-- $1 tenant, $2 fullnames, $3 position
-- listings_flow_ordinal, backward; listings_unlisted; blocks_position
with left_since as materialized (
    select r.run_id, r.fullname, r.flow_ordinal
    from listings r
    where r.tenant = $1 and r.unlisted_position > $3 and r.queued_position <= $3
)
select n.run_id
from unnest($2::text[]) as f (fullname)
cross join lateral (
    select m.run_id
    from (
        (
            select r.run_id, r.flow_ordinal
            from listings r
            where r.tenant = $1 and r.fullname = f.fullname and r.unlisted_position is null
                and r.queued_position <= $3
                and r.flow_ordinal < (
                    select (b.block + 1) * 1000
                    from blocks b
                    where b.tenant = $1 and b.list = f.fullname and b.first_position <= $3
                    order by b.first_position desc
                    limit 1
                )
            order by r.flow_ordinal desc
            limit 1
        )
        union all
        select s.run_id, s.flow_ordinal from left_since s where s.fullname = f.fullname
    ) m
    order by m.flow_ordinal desc
    limit 1
) n
