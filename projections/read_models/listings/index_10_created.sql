-- Finds the block of a time.
-- no parameters
-- is the index
create index blocks_created on blocks (tenant, list, first_created_us, block)
