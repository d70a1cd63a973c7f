-- Finds the block of a moment.
-- no parameters
-- is the index
create index blocks_created on blocks (tenant, list, first_created_us, block)
