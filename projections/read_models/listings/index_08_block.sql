-- Walks a list's blocks, and finds an insert's conflict.
-- no parameters
-- is the index
create unique index blocks_block on blocks (tenant, list, block)
