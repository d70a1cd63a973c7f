-- One row per list (a tenant's: the empty name; a flow's): ordinals given, and runs still listed.
-- no parameters
-- lists_name
create table lists (
    tenant text collate "C" not null,
    list text collate "C" not null,
    issued bigint not null,
    live bigint not null
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
