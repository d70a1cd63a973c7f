-- Creates a row per list (a tenant's list has the empty name, a flow's its fullname): ordinals issued, runs still listed.
-- no parameters
-- lists_name
create table lists (
    tenant text collate "C" not null,
    list text collate "C" not null,
    issued bigint not null,
    live bigint not null
) with (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
