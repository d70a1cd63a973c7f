-- Reads where the read models that answer stand.
-- no parameters
-- registry_pkey, checkpoints_pkey (a handful of rows)
select r.name, c.position, c.state
from projections.registry r
join projections.checkpoints c on c.name = r.name and c.version = r.serving_version
