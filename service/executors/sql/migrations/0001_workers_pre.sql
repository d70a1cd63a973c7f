-- The workers that are alive: one row each. A worker updates its row every two seconds, by the
-- database's clock.

create schema executors;

create table executors.workers (
    worker uuid primary key,
    slots integer not null,
    started_at timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);
