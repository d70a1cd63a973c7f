-- Creates a row per open run that a worker or a deadline concerns: its document, and what it is found by.
-- no parameters
-- indexes: index_*.sql; rows come and go, so the table is vacuumed by their number, not by its size
create table dispatch (
    tenant text collate "C" not null,
    run_id text collate "C" not null,
    queued_position bigint not null,
    waiting boolean not null,
    worker text collate "C",
    deadline_us bigint,
    document bytea not null
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
