-- Move the run numbers on, so that the next block begins beyond a number; never back.
-- $1 integer: the number.
-- No index: a sequence. A number in the last block leaves none: the next call says so.
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
