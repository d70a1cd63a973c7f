-- Insert a batch's event ids.
-- No parameters.
-- Index: none, inserts only.
insert into log.event_ids (event_id, position) select event_id, position from pg_temp.import_batch
