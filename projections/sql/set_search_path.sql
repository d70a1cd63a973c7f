-- Says, until this transaction ends, which schema bare names are in.
-- $1 search path
-- no index
select set_config('search_path', $1, true)
