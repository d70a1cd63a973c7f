-- Makes this transaction compare tables by a merge join over their keys: with any number of rows no memory, no disk.
-- no parameters
-- no index
select set_config(name, 'off', true)
from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_sort', 'enable_bitmapscan', 'jit']) as name
