-- Finds the latest run of a flow.
-- no parameters
-- is the index
create index executions_flow on executions (tenant, flow_number, queued_position)
