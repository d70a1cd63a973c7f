-- Sets a session up for the read models: index scans even with young statistics or a plan made on an empty table; no JIT.
-- no parameters
-- no index
select set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
