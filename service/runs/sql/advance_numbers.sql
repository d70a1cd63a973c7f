-- Advance the sequence, never back, so that the next block of run numbers begins after a number.
-- $1 the number.
-- Index: none, a sequence. After a number of the last block none is left: the next call says so.
select
    case
        when n.next > 2147483501 then setval('runs.run_number', 2147483501, true)
        else setval('runs.run_number', n.next, false)
    end
from runs.run_number s
cross join lateral (
    select greatest(
        case when s.is_called then s.last_value + 100 else s.last_value end,
        ($1::bigint + 99) / 100 * 100 + 1
    ) as next
) n
