-- Lists the runs that wait for a worker, of all tenants, in the order they were queued.
-- $1 limit
-- dispatch_waiting
select c.position, r.document
from dispatch_checkpoint c
left join lateral (
    select r.document, r.queued_position
    from dispatch r
    where r.waiting
    order by r.queued_position
    limit $1
) r on true
order by r.queued_position
