-- Sets up an applier's connection: every statement by its index, none compiled.
-- no parameters
-- no index
select set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
