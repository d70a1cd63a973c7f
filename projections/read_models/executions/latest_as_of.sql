-- Reads which run of a flow was queued last up to a position.
-- $1 tenant, $2 flow number, $3 position
-- executions_flow, backward
select r.run_id
from executions r
where r.tenant = $1 and r.flow_number = $2 and r.queued_position <= $3
order by r.queued_position desc
limit 1
