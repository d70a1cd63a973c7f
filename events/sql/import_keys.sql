-- Insert a batch's idempotency keys.
-- No parameters.
-- Index: none, inserts only.
insert into log.idempotency (tenant, key, fingerprint, first_position, last_position, recorded_at)
select tenant, request_key, request_fingerprint, position, request_last_position, recorded_at
from pg_temp.import_batch
where request_key is not null
