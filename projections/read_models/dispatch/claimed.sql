-- Lists the open runs that workers have claimed, of all tenants, by worker.
-- $1 limit
-- dispatch_worker
select c.position, r.document
from dispatch_checkpoint c
left join lateral (
    select r.document, r.worker, r.queued_position
    from dispatch r
    where r.worker is not null
    order by r.worker, r.queued_position
    limit $1
) r on true
order by r.worker, r.queued_position
