-- Reads the marks of flows; one that was never due has none.
-- $1 tenants text[], $2 fullnames text[]
-- schedules.marks_pkey
SELECT m.tenant, m.fullname, m.due_at, m.outcome, m.reason
FROM unnest($1::text[], $2::text[]) AS asked (tenant, fullname)
JOIN schedules.marks AS m USING (tenant, fullname)
