-- Creates a row per run: its document, and what it is looked up by.
-- no parameters
-- indexes: index_*.sql; their columns never change, so that an update stays in its page
create table executions (
    tenant text collate "C" not null,
    run_id text collate "C" not null,
    run_number bigint not null,
    flow_number bigint not null,
    queued_position bigint not null,
    document bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000)
