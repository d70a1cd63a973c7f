-- The state of each flow run of Prefect.
-- No parameters.
-- No index: all runs are read.
insert into flow_run_state (id, type, name, timestamp, state_details, flow_run_id)
select state_id, state_type, state_name, state_timestamp, jsonb_build_object('flow_run_id', id), id
from flow_run
where state_id is not null and name like 'run-%'
