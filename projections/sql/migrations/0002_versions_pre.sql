-- Versions of a read model that are built beside the one that answers: which shape each has, the one to
-- go back to, and the rebuilds that make them, each in parts that are done or not.

alter table projections.registry add column previous_version integer check (previous_version > 0);

comment on column projections.registry.previous_version is
    'The version that answered before, kept up to date for a way back; null where it was dropped.';

alter table projections.checkpoints add column shape integer not null default 1 check (shape > 0);
alter table projections.checkpoints drop constraint checkpoints_state_check;
alter table projections.checkpoints
    add constraint checkpoints_state_check check (state in ('running', 'paused', 'building'));

comment on column projections.checkpoints.shape is
    'Which tables, documents and fold this version has; only a release that knows the shape applies and reads it.';

-- What a rebuild has come to. Every step is entered here before the next begins, so that whoever takes it
-- up goes on where the last one was stopped.
create table projections.rebuilds (
    rebuild_id uuid primary key default gen_random_uuid(),
    name text collate "C" not null,
    purpose text collate "C" not null default 'replace' check (purpose in ('replace', 'roll back')),
    from_version integer not null check (from_version > 0),
    new_version integer not null check (new_version > 0),
    shape integer not null check (shape > 0),
    phase text collate "C" not null default 'waiting' check (phase in (
        'waiting', 'folding', 'indexing', 'catching up', 'verifying', 'flipping', 'finished', 'failed', 'cancelled'
    )),
    stopped_in text collate "C",
    target bigint check (target >= 0),
    workers integer check (workers > 0),
    rate integer check (rate > 0),
    started_by text collate "C" not null,
    source text collate "C" not null,
    cancel_requested boolean not null default false,
    error text,
    error_position bigint,
    result jsonb,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);

comment on table projections.rebuilds is 'Rebuilds of read models, one a read model at a time.';

create unique index rebuilds_open on projections.rebuilds (name) where phase not in ('finished', 'cancelled');
create index rebuilds_name on projections.rebuilds (name, created_at);

-- The streams that begin in a range of positions; what they have in common with others, counted.
create table projections.rebuild_parts (
    rebuild_id uuid not null references projections.rebuilds on delete cascade,
    part integer not null,
    after bigint not null,
    up_to bigint not null,
    begun jsonb not null,
    done_at timestamptz,
    primary key (rebuild_id, part)
);

comment on table projections.rebuild_parts is 'The parts of a rebuild: done with their rows, or not at all.';


-- Makes a version's schema, and in it the checkpoint as its reads see it: a view, so that rows and position
-- always come from the same version. The caller creates the tables. The first version of a read model
-- answers at once; a later one begins as one that is being built.

create function projections.create_version(model text, model_version integer, model_shape integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    version_schema constant text := model || '_v' || model_version;
    first constant boolean := not exists (select from projections.registry r where r.name = model);
begin
    execute format('create schema %I', version_schema);
    execute format(
        'create view %I.%I as select position from projections.checkpoints where name = %L and version = %s',
        version_schema, model || '_checkpoint', model, model_version
    );
    insert into projections.checkpoints (name, version, shape, state)
    values (model, model_version, model_shape, case when first then 'running' else 'building' end);
    if first then
        insert into projections.registry (name, serving_version) values (model, model_version);
    end if;
end
$$;


-- An older release makes its versions by this; beside newer ones it must make none.

create or replace function projections.create_version(model text, model_version integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from projections.registry r where r.name = model) then
        raise exception 'a newer release has rebuilt %, this one cannot set it up', model;
    end if;
    perform projections.create_version(model, model_version, 1);
end
$$;


-- Removes a version, its tables and its checkpoint.

create function projections.drop_version(model text, model_version integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from projections.registry r where r.name = model and r.serving_version = model_version) then
        raise exception '% version % answers: it cannot be dropped', model, model_version;
    end if;
    update projections.registry r set previous_version = null
    where r.name = model and r.previous_version = model_version;
    delete from projections.checkpoints c where c.name = model and c.version = model_version;
    execute format('drop schema if exists %I cascade', model || '_v' || model_version);
end
$$;


-- Sums up the tables of a version: equal rows give equal sums, in whatever order they stand.

create function projections.digest(version_schema text) returns table (table_name text, row_count bigint, digest numeric)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    each text;
begin
    for each in
        select t.tablename::text from pg_catalog.pg_tables t where t.schemaname = version_schema order by 1
    loop
        return query execute format(
            'select %L, count(*), coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) from %I.%I t',
            each, version_schema, each
        );
    end loop;
end
$$;


-- Picks rows of a version that are about runs, spread over all of them; those first that stand otherwise in
-- another version, if one is named.

create function projections.sample(version_schema text, table_name text, beside text, most integer)
returns table (tenant text, run_id text, document bytea, differs boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if beside is not null then
        return query execute format(
            'select n.tenant, n.run_id, n.document, true from %I.%I n
            left join %I.%I o on o.tenant = n.tenant and o.run_id = n.run_id
            where o.document is distinct from n.document limit $1',
            version_schema, table_name, beside, table_name
        ) using most;
    end if;
    return query execute format(
        'select tenant, run_id, document, false from %I.%I order by hashtext(run_id) limit $1',
        version_schema, table_name
    ) using most;
end
$$;

revoke all on all functions in schema projections from public;
grant select, insert, update, delete on all tables in schema projections to flowledger_app;
grant execute on all functions in schema projections to flowledger_app;
