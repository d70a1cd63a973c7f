-- Sets up a reader's connection: by index always, also where statistics are young or a plan was made on an empty table.
-- no parameters
-- no index
select set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
