-- Reads the run of each flow that was queued last.
-- $1 tenants, $2 flow numbers
-- executions_flow, backward
select c.position, r.tenant, r.flow_number as name, r.document
from executions_checkpoint c
left join (
    select e.*
    from unnest($1::text[], $2::bigint[]) as k (tenant, flow_number)
    cross join lateral (
        select *
        from executions e
        where e.tenant = k.tenant and e.flow_number = k.flow_number
        order by e.queued_position desc
        limit 1
    ) e
) r on true
