-- Reads each read model's serving version and the previous one, with their schema versions.
-- no parameters
-- registry_pkey, checkpoints_pkey (a handful of rows)
select r.name, c.version, c.schema_version, p.version as previous_version, p.schema_version as previous_schema_version,
    extract(epoch from clock_timestamp() - r.changed_at)::float8 as changed_s
from projections.registry r
join projections.checkpoints c on c.name = r.name and c.version = r.serving_version
left join projections.checkpoints p on p.name = r.name and p.version = r.previous_version
order by r.name
