-- Counts the lists of a rebuilt version; a tenant's list has the empty name, a flow's its fullname.
-- no parameters
-- no index, the table whole
insert into lists (tenant, list, issued, live)
select tenant, coalesce(fullname, ''), count(*), count(*) filter (where unlisted_position is null)
from listings
group by grouping sets ((tenant), (tenant, fullname))
