-- Create the table of applied migrations, where missing.
-- No parameters.
-- Index: none, read whole.
create table if not exists log.migrations (
    room text not null,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (room, name)
)
