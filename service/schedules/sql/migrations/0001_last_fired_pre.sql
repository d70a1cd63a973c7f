-- The last handled due time of each schedule, and its outcome.

create schema schedules;

create table schedules.last_fired (
    tenant text collate "C" not null,
    fullname text collate "C" not null,
    due_at timestamptz not null,
    outcome text not null,
    reason text not null,
    recorded_at timestamptz not null default clock_timestamp(),
    primary key (tenant, fullname)
) with (fillfactor = 70);
