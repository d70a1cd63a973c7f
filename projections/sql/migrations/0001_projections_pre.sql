-- What is known about the read models: which version serves, how far each version is, and the rebuilds.
-- The read models themselves are not made here. Each version has a Postgres schema of its own, which
-- projections.registry creates and the service's role owns.

create schema projections;

create table projections.registry (
    name text collate "C" primary key,
    serving_version integer not null check (serving_version > 0),
    previous_version integer check (previous_version > 0),
    changed_at timestamptz not null default clock_timestamp()
);

comment on table projections.registry is 'The version of each read model that answers queries.';
comment on column projections.registry.previous_version is
    'The version that served before. It is kept up to date for a rollback; null once it is dropped.';

-- A few small rows, updated with every batch: a low fill factor keeps each update in its page.
create table projections.checkpoints (
    name text collate "C",
    version integer check (version > 0),
    position bigint not null default 0 check (position >= 0),
    state text collate "C" not null default 'running' check (state in ('running', 'paused', 'building')),
    error text,
    error_position bigint,
    updated_at timestamptz not null default clock_timestamp(),
    schema_version integer not null default 1 check (schema_version > 0),
    primary key (name, version)
) with (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

comment on table projections.checkpoints is
    'The last position that each version of a read model has applied, and why it is paused.';
comment on column projections.checkpoints.schema_version is
    'The version of its tables, documents and fold. A release that does not know it leaves it alone.';

-- Each step is recorded here before the next one begins, so that another process can resume a rebuild.
create table projections.rebuilds (
    rebuild_id uuid primary key default gen_random_uuid(),
    name text collate "C" not null,
    purpose text collate "C" not null default 'replace' check (purpose in ('replace', 'roll back')),
    from_version integer not null check (from_version > 0),
    new_version integer not null check (new_version > 0),
    schema_version integer not null check (schema_version > 0),
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

comment on table projections.rebuilds is
    'Rebuilds and rollbacks of read models. Each read model has at most one that is open.';

create unique index rebuilds_open on projections.rebuilds (name) where phase not in ('finished', 'cancelled');
create index rebuilds_name on projections.rebuilds (name, created_at);

create table projections.rebuild_segments (
    rebuild_id uuid not null references projections.rebuilds on delete cascade,
    segment integer not null,
    after bigint not null,
    up_to bigint not null,
    initial_counts jsonb not null,
    done_at timestamptz,
    primary key (rebuild_id, segment)
);

comment on table projections.rebuild_segments is
    'The segments of a rebuild. Each folds the streams that begin in its range of positions, whole or not at all.';
comment on column projections.rebuild_segments.initial_counts is
    'Counts over all earlier segments, for states that segments share (such as the length of a list).';


-- Advances a checkpoint from one position to another. Returns false, and changes nothing, if the
-- checkpoint is elsewhere, is not running, or is locked by another process. The statement that writes
-- the rows calls it, so that rows and checkpoint commit together.

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


-- Creates the schema of a version and records the version; the caller then creates the tables. The
-- first version of a read model serves at once, a later one is in state 'building'.
-- A view in the schema shows the version's own checkpoint: a query that reads it together with the
-- tables never mixes two versions.

create function projections.create_version(model text, model_version integer, model_schema_version integer) returns void
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
    insert into projections.checkpoints (name, version, schema_version, state)
    values (model, model_version, model_schema_version, case when first then 'running' else 'building' end);
    if first then
        insert into projections.registry (name, serving_version) values (model, model_version);
    end if;
end
$$;


-- Drops a version with its tables and its checkpoint. Refuses the version that serves.

create function projections.drop_version(model text, model_version integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from projections.registry r where r.name = model and r.serving_version = model_version) then
        raise exception '% version % is serving: it cannot be dropped', model, model_version;
    end if;
    update projections.registry r set previous_version = null
    where r.name = model and r.previous_version = model_version;
    delete from projections.checkpoints c where c.name = model and c.version = model_version;
    execute format('drop schema if exists %I cascade', model || '_v' || model_version);
end
$$;


-- Computes a checksum of each table of a schema. It does not depend on the order of the rows.
-- Rows are hashed as they are stored, not as text, in a third of the time. Two checksums can be compared
-- if the same server computed them.

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
            'select %L, count(*), coalesce(sum(hash_record_extended(t, 0)::numeric), 0) from %I.%I t',
            each, version_schema, each
        );
    end loop;
end
$$;


-- Selects rows of runs for a comparison with the log, spread over the whole table. If another version
-- is given, the rows that differ from it come first.

create function projections.sample(version_schema text, table_name text, other_schema text, max_rows integer)
returns table (tenant text, run_id text, document bytea, differs boolean)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if other_schema is not null then
        return query execute format(
            'select n.tenant, n.run_id, n.document, true from %I.%I n
            left join %I.%I o on o.tenant = n.tenant and o.run_id = n.run_id
            where o.document is distinct from n.document limit $1',
            version_schema, table_name, other_schema, table_name
        ) using max_rows;
    end if;
    return query execute format(
        'select tenant, run_id, document, false from %I.%I order by hashtext(run_id) limit $1',
        version_schema, table_name
    ) using max_rows;
end
$$;
