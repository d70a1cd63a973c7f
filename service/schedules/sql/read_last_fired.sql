-- Reads the last handled due time of each of these flows that has one.
-- $1 tenants text[], $2 fullnames text[]
-- schedules.last_fired_pkey
SELECT f.tenant, f.fullname, f.due_at, f.outcome, f.reason
FROM unnest($1::text[], $2::text[]) AS flow (tenant, fullname)
JOIN schedules.last_fired AS f USING (tenant, fullname)
