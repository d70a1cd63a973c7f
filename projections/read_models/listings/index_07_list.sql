-- Finds a list, and an insert its conflict.
-- no parameters
-- is the index
create unique index lists_name on lists (tenant, list)
