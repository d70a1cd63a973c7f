-- Update the versions of a batch's streams.
-- No parameters.
-- Index: log.streams_pkey.
insert into log.streams (tenant, stream, version, first_position, last_position)
select tenant, stream, max(version), min(position), max(position)
from pg_temp.import_batch
group by stream, tenant
on conflict (stream, tenant) do update
set version = excluded.version, last_position = excluded.last_position
