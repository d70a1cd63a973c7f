-- Lists the runs whose deadline has passed by the database's clock, of all tenants, the longest overdue first.
-- $1 limit
-- dispatch_deadline
select c.position, r.document
from dispatch_checkpoint c
left join lateral (
    select r.document, r.deadline_us
    from dispatch r
    where r.deadline_us <= (extract(epoch from now()) * 1000000)::bigint
    order by r.deadline_us
    limit $1
) r on true
order by r.deadline_us
