-- The last due time of each schedule that was handled, and how it ended.

create schema schedules authorization flowledger_app;

create table schedules.marks (
    tenant text collate "C" not null,
    fullname text collate "C" not null,
    due_at timestamptz not null,
    outcome text not null,
    reason text not null,
    marked_at timestamptz not null default clock_timestamp(),
    primary key (tenant, fullname)
) with (fillfactor = 70);

alter table schedules.marks owner to flowledger_app;
