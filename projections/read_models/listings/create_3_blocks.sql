-- Creates a row per 1,000 ordinals of a list: runs still listed, position and time of the first run.
-- no parameters
-- blocks_block, blocks_position, blocks_created
create table blocks (
    tenant text collate "C" not null,
    list text collate "C" not null,
    block bigint not null,
    live integer not null,
    first_position bigint not null,
    first_created_us bigint not null
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
