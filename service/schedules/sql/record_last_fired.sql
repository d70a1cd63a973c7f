-- Records how a flow's due time was handled, unless a later one was; one after $6 is of a clock that was ahead.
-- $1 tenant text, $2 fullname text, $3 due time timestamptz, $4 outcome text, $5 reason text, $6 now timestamptz
-- schedules.last_fired_pkey
INSERT INTO schedules.last_fired AS f (tenant, fullname, due_at, outcome, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, fullname) DO UPDATE
    SET due_at = excluded.due_at, outcome = excluded.outcome, reason = excluded.reason, recorded_at = clock_timestamp()
    WHERE f.due_at < excluded.due_at OR f.due_at > $6
