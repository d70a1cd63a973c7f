-- Creates a row per run: the run and its tasks as a document.
-- no parameters
-- workflows_run_id; its columns never change, so that an update stays in its page
create table workflows (
    tenant text collate "C" not null,
    run_id text collate "C" not null,
    document bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000)
