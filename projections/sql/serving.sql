-- Lists which version of each read model answers, which shape it has, and which one answered before.
-- no parameters
-- registry_pkey, checkpoints_pkey (a handful of rows)
select r.name, c.version, c.shape, p.version as previous_version, p.shape as previous_shape,
    extract(epoch from clock_timestamp() - r.changed_at)::float8 as changed_s
from projections.registry r
join projections.checkpoints c on c.name = r.name and c.version = r.serving_version
left join projections.checkpoints p on p.name = r.name and p.version = r.previous_version
order by r.name
