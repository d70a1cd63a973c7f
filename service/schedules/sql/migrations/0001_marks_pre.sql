-- How far each schedule has been carried out: the last due time that was answered, and how.
CREATE SCHEMA schedules AUTHORIZATION flowledger_app;

CREATE TABLE schedules.marks (
    tenant text COLLATE "C" NOT NULL,
    fullname text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant, fullname)
) WITH (fillfactor = 70);

ALTER TABLE schedules.marks OWNER TO flowledger_app;
