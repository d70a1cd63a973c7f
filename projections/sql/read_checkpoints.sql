-- Reads the checkpoints of versions of a read model; one beyond the end of the log counts as at its end.
-- $1 name, $2 versions
-- checkpoints_pkey; log.head has one row
select
    c.version, least(c.position, h.position) as position,
    case when c.position > h.position then 'beyond the log' else c.state end as state,
    c.error, c.error_position
from projections.checkpoints c
cross join log.head h
where c.name = $1 and c.version = any($2::integer[])
