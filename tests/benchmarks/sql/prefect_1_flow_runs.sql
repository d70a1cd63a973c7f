-- Flow runs of Prefect, a second apart; one in five is completed, the others are pending, since scheduled ones would be late.
-- :count is replaced by how many.
-- No index.
insert into flow_run (
    name, state_type, state_name, expected_start_time, parameters, flow_id, state_id,
    state_timestamp, empirical_policy, labels
)
select
    'run-' || n,
    case when n % 5 = 0 then 'COMPLETED' else 'PENDING' end::state_type,
    case when n % 5 = 0 then 'Completed' else 'Pending' end,
    now() - make_interval(secs => :count - n),
    '{"n": 1}',
    (select id from flow limit 1),
    gen_random_uuid(),
    now() - make_interval(secs => :count - n),
    '{"retries": null, "resuming": false, "pause_keys": [], "retry_type": null, "max_retries": 0, "retry_delay": null, "retry_delay_seconds": 0.0}',
    '{}'
from generate_series(1, :count) as n
