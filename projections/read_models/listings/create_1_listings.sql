-- Creates a row per run: its ordinals in two lists, the columns that lists filter by, and its document.
-- no parameters
-- indexes: index_*.sql; of their columns only status and unlisted_position change
create table listings (
    tenant text collate "C" not null,
    run_id text collate "C" not null,
    ordinal bigint not null,
    fullname text collate "C" not null,
    flow_ordinal bigint not null,
    queued_position bigint not null,
    status text collate "C" not null,
    started_by text collate "C" not null,
    created_us bigint not null,
    unlisted_position bigint,
    document bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 2000)
