-- Finds the block of a position.
-- no parameters
-- is the index
create index blocks_position on blocks (tenant, list, first_position)
