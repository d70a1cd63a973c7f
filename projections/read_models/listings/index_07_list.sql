-- Finds a list, and an insert's conflict.
-- no parameters
-- is the index
create unique index lists_name on lists (tenant, list)
