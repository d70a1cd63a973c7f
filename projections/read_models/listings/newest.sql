-- Reads the newest run in the list of each of a tenant's flows.
-- $1 tenant, $2 fullnames
-- listings_flow_ordinal, backward
select c.position, r.document
from listings_checkpoint c
left join (
    select n.document
    from unnest($2::text[]) as f (fullname)
    cross join lateral (
        select l.document
        from listings l
        where l.tenant = $1 and l.fullname = f.fullname and l.unlisted_position is null
        order by l.flow_ordinal desc
        limit 1
    ) n
) r on true
