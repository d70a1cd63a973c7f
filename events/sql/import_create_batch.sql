-- Create the temporary table for one batch of an import.
-- No parameters.
-- Index: none, it holds one batch at a time.
create temporary table import_batch (
    like log.events,
    request_key text collate "C",
    request_fingerprint bytea,
    request_last_position bigint
) on commit drop
