-- Counts the blocks of a rebuilt version, each 1,000 ordinals of a list, with position and time of its first run.
-- no parameters
-- no index, the table whole
insert into blocks (tenant, list, block, live, first_position, first_created_us)
select
    r.tenant, p.list, p.ordinal / 1000, count(*) filter (where r.unlisted_position is null),
    min(r.queued_position), min(r.created_us)
from listings r
cross join lateral (values ('', r.ordinal), (r.fullname, r.flow_ordinal)) as p (list, ordinal)
group by r.tenant, p.list, p.ordinal / 1000
