-- Has this transaction's comparisons walk both tables by their keys, side by side: no memory, no disk, however many rows.
-- no parameters
-- no index
select set_config(name, 'off', true)
from unnest(array['enable_seqscan', 'enable_hashjoin', 'enable_sort', 'enable_bitmapscan', 'jit']) as name
