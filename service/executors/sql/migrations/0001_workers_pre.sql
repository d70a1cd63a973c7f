-- The workers that are alive: one row each, beaten every two seconds by the database's clock.
CREATE SCHEMA executors AUTHORIZATION flowledger_app;

CREATE TABLE executors.workers (
    worker uuid PRIMARY KEY,
    slots integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    beat_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

ALTER TABLE executors.workers OWNER TO flowledger_app;
