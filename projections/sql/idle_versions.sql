-- Lists the versions that neither serve, nor are kept for a rollback, nor are being built by an open rebuild.
-- $1 name
-- checkpoints_pkey, registry_pkey, rebuilds_open (a handful of rows)
select c.version
from projections.checkpoints c
join projections.registry r on r.name = c.name
where c.name = $1 and c.version <> r.serving_version and c.version is distinct from r.previous_version
    and not exists (
        select from projections.rebuilds b
        where b.name = c.name and b.new_version = c.version and b.phase not in ('finished', 'cancelled')
    )
