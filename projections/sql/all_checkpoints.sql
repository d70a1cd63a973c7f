-- Reads the checkpoint of every version of every read model, and which of them serves.
-- no parameters
-- checkpoints_pkey, registry_pkey (a handful of rows)
select c.name, c.version, c.position, c.state, coalesce(r.serving_version = c.version, false) as serving
from projections.checkpoints c
left join projections.registry r on r.name = c.name
