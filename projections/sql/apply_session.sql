-- Sets up an applier's connection. A crash of the server may undo the last commits, each of them rows and checkpoint together: the log still has the events.
-- no parameters
-- no index
select set_config('synchronous_commit', 'off', false), set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
