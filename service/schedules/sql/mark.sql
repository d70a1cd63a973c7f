-- Notes how a flow's due time was answered, unless a later one was.
-- $1 tenant, $2 fullname, $3 due time, $4 outcome, $5 reason
-- schedules.marks_pkey
INSERT INTO schedules.marks AS m (tenant, fullname, due_at, outcome, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant, fullname) DO UPDATE
    SET due_at = excluded.due_at, outcome = excluded.outcome, reason = excluded.reason, marked_at = clock_timestamp()
    WHERE m.due_at < excluded.due_at
