-- The read models' registry and checkpoints; the read models themselves are made by create_schemas, a
-- Postgres schema for each version, owned by the role that the service works as.

create schema projections;

create table projections.registry (
    name text collate "C" primary key,
    serving_version integer not null check (serving_version > 0),
    changed_at timestamptz not null default clock_timestamp()
);

comment on table projections.registry is 'Which version of each read model answers.';

-- One small row a read model, changed with every batch: room beside it keeps each change in its page.
create table projections.checkpoints (
    name text collate "C",
    version integer check (version > 0),
    position bigint not null default 0 check (position >= 0),
    state text collate "C" not null default 'running' check (state in ('running', 'paused')),
    error text,
    error_position bigint,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (name, version)
) with (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

comment on table projections.checkpoints is
    'The last position that a version of a read model has applied, and why it stands if it is paused.';


-- The turn at a read model: moves the checkpoint if it stands where the caller believes, runs, and nobody
-- else is at it. Called within the statement that writes the rows, so both happen or neither.

create function projections.advance(model text, model_version integer, before bigint, after bigint) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform from projections.checkpoints c
    where c.name = model and c.version = model_version and c.position = before and c.state = 'running'
    for update skip locked;
    if not found then
        return false;
    end if;
    update projections.checkpoints c
    set position = after, updated_at = clock_timestamp()
    where c.name = model and c.version = model_version;
    return true;
end
$$;


-- Makes a version's schema, and in it the checkpoint as its reads see it: a view, so that rows and position
-- always come from the same version. The caller creates the tables, and ends by entering the version.

create function projections.create_version(model text, model_version integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    version_schema constant text := model || '_v' || model_version;
begin
    execute format('create schema %I', version_schema);
    execute format(
        'create view %I.%I as select position from projections.checkpoints where name = %L and version = %s',
        version_schema, model || '_checkpoint', model, model_version
    );
    insert into projections.checkpoints (name, version) values (model, model_version);
    insert into projections.registry (name, serving_version) values (model, model_version)
    on conflict do nothing;
end
$$;

revoke all on schema projections from public;
revoke all on all functions in schema projections from public;
grant usage on schema projections to flowledger_app;
grant select, insert, update, delete on all tables in schema projections to flowledger_app;
grant execute on all functions in schema projections to flowledger_app;
