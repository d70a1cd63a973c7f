-- Flow runs of Prefect, a second apart, with a state each, which refer to each other; one in ten is completed, the others are pending, since scheduled ones would be late.
-- :count is replaced by how many.
-- No index.
with runs as (
    insert into flow_run (
        name, state_type, state_name, expected_start_time, parameters, flow_id, state_id,
        state_timestamp, empirical_policy, labels
    )
    select
        'run-' || n,
        case when n % 10 = 0 then 'COMPLETED' else 'PENDING' end::state_type,
        case when n % 10 = 0 then 'Completed' else 'Pending' end,
        now() - make_interval(secs => :count - n),
        '{"n": 1}',
        (select id from flow limit 1),
        gen_random_uuid(),
        now() - make_interval(secs => :count - n),
        '{"retries": null, "resuming": false, "pause_keys": [], "retry_type": null, "max_retries": 0, "retry_delay": null, "retry_delay_seconds": 0.0}',
        '{}'
    from generate_series(1, :count) as n
    returning id, state_id, state_type, state_name, state_timestamp
)
insert into flow_run_state (id, type, name, timestamp, state_details, flow_run_id)
select state_id, state_type, state_name, state_timestamp, jsonb_build_object('flow_run_id', id), id
from runs
