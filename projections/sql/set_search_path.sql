-- Sets the search path for bare table names until the transaction ends.
-- $1 search path
-- no index
select set_config('search_path', $1, true)
