-- Put a batch's event ids beside the log.
-- No parameters.
-- Index: none, inserts only.
insert into log.event_ids (event_id, position) select event_id, position from pg_temp.import_batch
