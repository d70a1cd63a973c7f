-- Records a rebuild, which a process of role `project` carries out; returns null if one is open.
-- $1 name, $2 schema version, $3 workers, $4 rate, $5 started by, $6 source
-- registry_pkey, checkpoints_pkey, rebuilds_open, rebuilds_name
insert into projections.rebuilds (name, from_version, new_version, schema_version, workers, rate, started_by, source)
select r.name, r.serving_version, 1 + greatest(
    (select max(c.version) from projections.checkpoints c where c.name = r.name),
    (select max(b.new_version) from projections.rebuilds b where b.name = r.name)
), $2, $3, $4, $5, $6
from projections.registry r
where r.name = $1
on conflict (name) where phase not in ('finished', 'cancelled') do nothing
returning rebuild_id
