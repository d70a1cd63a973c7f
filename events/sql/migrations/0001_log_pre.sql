-- The log: one counter row, the events, and the tables that guard stream versions, event ids and
-- idempotency keys.
--
-- Text is collated "C" (by bytes), so that an operating system's new collation cannot corrupt an index.

create table log.head (
    single boolean primary key default true check (single),
    position bigint not null check (position >= 0),
    recorded_at timestamptz not null
) with (fillfactor = 10, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

comment on table log.head is
    'The counter row: the last position and its time. log.append locks it before anything else.';

insert into log.head (position, recorded_at) values (0, 'epoch');

create table log.events (
    position bigint primary key,
    tenant text collate "C" not null,
    stream text collate "C" not null,
    version bigint not null,
    event_id uuid not null,
    type text collate "C" not null,
    schema_version integer not null,
    body bytea not null,
    metadata bytea not null,
    actor text collate "C" not null,
    correlation_id text collate "C" not null,
    causation_id text collate "C" not null,
    idempotency_key text collate "C" not null,
    occurred_at timestamptz,
    recorded_at timestamptz not null,
    leaf_hash bytea not null
) partition by range (position);

comment on table log.events is
    'Every event, kept for ever. Positions have no gaps and follow the commit order.';

create table log.streams (
    tenant text collate "C",
    stream text collate "C",
    version bigint not null check (version > 0),
    first_position bigint not null,
    last_position bigint not null,
    primary key (stream, tenant)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);

comment on table log.streams is
    'The version of each stream. A unique index on log.events cannot do this: it is partitioned.';
comment on index log.streams_pkey is
    'The stream comes first: it is nearly unique, so the tenant is rarely compared.';

create table log.event_ids (
    event_id uuid primary key,
    position bigint not null
);

comment on table log.event_ids is 'The position of each event id, to recognise a repeated append.';

create table log.idempotency (
    tenant text collate "C",
    key text collate "C",
    fingerprint bytea not null,
    first_position bigint not null,
    last_position bigint not null,
    recorded_at timestamptz not null,
    primary key (tenant, key)
);

comment on table log.idempotency is
    'The idempotency keys of each tenant, and the events that each one appended.';

create unique index idempotency_first_position on log.idempotency (first_position);

comment on index log.idempotency_first_position is
    'For export: the keys whose requests appended a range of events. Only grows at its end.';


-- Append-only by trigger: not even the owner changes or removes rows of the log.

create function log.refuse() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'the log is append-only: % on %.% is refused',
        tg_op, tg_table_schema, tg_table_name
        using errcode = 'restrict_violation';
end
$$;

create trigger refuse_rows before update or delete on log.events
    for each row execute function log.refuse();
create trigger refuse_statement before update or delete or truncate on log.events
    for each statement execute function log.refuse();
create trigger refuse_statement before delete or truncate on log.head
    for each statement execute function log.refuse();
create trigger refuse_statement before delete or truncate on log.streams
    for each statement execute function log.refuse();
create trigger refuse_statement before update or delete or truncate on log.event_ids
    for each statement execute function log.refuse();


-- Partitions hold 5,000,000 positions each. The current one and the next two always exist.

create function log.ensure_partitions() returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    size constant bigint := 5000000;
    current bigint;
    name text;
    made integer := 0;
begin
    -- Attaching takes this lock anyway. Two callers run one after the other; reads and appends go on.
    lock table only log.events in share update exclusive mode;
    select position / size into strict current from log.head;
    for part in current .. current + 2 loop
        name := 'events_' || lpad(part::text, 6, '0');
        continue when to_regclass('log.' || name) is not null;
        execute format('create table log.%I (like log.events including comments)', name);
        execute format('create unique index on log.%I (stream, tenant, version)', name);
        execute format(
            'create trigger refuse_statement before update or delete or truncate on log.%I'
            ' for each statement execute function log.refuse()', name
        );
        execute format(
            'alter table log.events attach partition log.%I for values from (%s) to (%s)',
            name, greatest(part * size, 1), (part + 1) * size
        );
        made := made + 1;
    end loop;
    return made;
end
$$;

comment on function log.ensure_partitions() is
    'Creates the current partition and the next two where missing. Returns how many it created.';


-- The leaf hash of an event, version 1 (docs/reference/leaf.md). It never changes: a version 2 would
-- be a second function.

create function log.micros(moment timestamptz) returns bigint
language sql stable parallel safe
return (extract(epoch from moment) * 1000000)::bigint;

create function log.length_prefixed(field text) returns bytea
language sql stable parallel safe
return int4send(octet_length(field)) || convert_to(field, 'UTF8');

create function log.leaf_1(
    "position" bigint,
    version bigint,
    recorded_us bigint,
    occurred_us bigint,
    schema_version integer,
    tenant text,
    stream text,
    event_id uuid,
    type text,
    actor text,
    correlation_id text,
    causation_id text,
    idempotency_key text,
    metadata bytea,
    body bytea
) returns bytea
language sql stable parallel safe
return sha256(
    '\x0001'::bytea
    || int8send("position") || int8send(version) || int8send(recorded_us)
    || int8send(coalesce(occurred_us, -9223372036854775808)) || int4send(schema_version)
    || case
        -- The same bytes at a third of the cost. For a client in UTF-8, the wire form of a text array
        -- is a header of 20 bytes, then the length and the bytes of each text.
        when pg_client_encoding() = 'UTF8' then substr(
            array_send(array[
                tenant, stream, event_id::text, type, actor, correlation_id, causation_id,
                idempotency_key
            ]),
            21
        )
        else log.length_prefixed(tenant) || log.length_prefixed(stream)
            || log.length_prefixed(event_id::text) || log.length_prefixed(type)
            || log.length_prefixed(actor) || log.length_prefixed(correlation_id)
            || log.length_prefixed(causation_id) || log.length_prefixed(idempotency_key)
    end
    || sha256(metadata) || sha256(body)
);


create type log.new_key as (
    request integer,
    tenant text,
    key text,
    fingerprint bytea
);

comment on type log.new_key is 'The idempotency key of a request, named by its number in the batch.';

create type log.new_stream as (
    tenant text,
    stream text
);

create type log.new_event as (
    type text,
    schema_version integer,
    body bytea,
    metadata bytea,
    actor text,
    correlation_id text,
    causation_id text,
    idempotency_key text,
    occurred_at timestamptz
);

comment on type log.new_event is 'An event as passed to log.append, without its part and its id.';

create function log.version_matches(expected bigint, actual bigint) returns boolean
language sql immutable parallel safe
return expected = actual or expected = -1 or (expected = -2 and actual > 0);

comment on function log.version_matches is
    'Whether a stream has the expected version: an exact one, -1 for any, -2 for an existing stream.';

-- Appends a batch of requests. Checks and inserts all of it while holding the lock on the counter row.
--
-- The log must have reached known_position, which the caller has seen: else the database was replaced
-- by an older copy, and the statement is refused (SQLSTATE FL001).
--
-- A request writes to one or more streams; what it writes to one stream is a part. Arrays carry the
-- batch, and count from 1: the idempotency keys of the requests that have one; the streams, each once;
-- the parts (request, stream, expected version), in the order of their requests; the events (part, id,
-- everything else), in the order of their parts. The expected version is exact, -1 for any, or -2 for
-- a stream that exists.
--
-- The result is arrays too. For each request:
--   outcome          appended
--                    duplicate  an earlier request appended it, at duplicate_at
--                    conflict   the stream of part conflict_part has version conflict_version
--                    mismatch   another request used its idempotency key
--                    known      the log already has event number refused_event of the batch
--   first_position, last_position  of its events, appended now or earlier
-- For each part appended: part_version, the version of its first event. For the new events in the
-- order of position: leaf_hashes, and one recorded_at for all.
--
-- No event id and no key may occur twice in a batch: the primary keys would refuse the statement.

create function log.append(
    keys log.new_key[],
    streams log.new_stream[],
    part_request integer[],
    part_stream integer[],
    part_expected bigint[],
    event_part integer[],
    event_id uuid[],
    event log.new_event[],
    known_position bigint,
    out outcome text[],
    out first_position bigint[],
    out last_position bigint[],
    out recorded_at timestamptz,
    out duplicate_at timestamptz[],
    out conflict_part integer[],
    out conflict_version bigint[],
    out refused_event integer[],
    out part_version bigint[],
    out leaf_hashes bytea[]
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
-- A session plans this once, maybe while the tables are small. The plan must also suit large tables,
-- so every row is looked up by index.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    parts constant integer := cardinality(part_request);
    requests constant integer := coalesce(part_request[parts], 0);
    events constant integer := cardinality(event_part);
    numbers constant integer[] := array(select generate_series(1, parts));
    -- The number of each part's first event; the last entry is one past the last event.
    part_event constant integer[] :=
        array(select width_bucket(n, event_part) + 1 from generate_series(0, parts) n);
    head log.head;
    known record;
    has_known_keys boolean := false;
    has_known_ids boolean;
    fast_path boolean;
    next_position bigint;
    next_part integer := 1;
    from_part integer;
    stream integer;
    size integer;
    actual bigint;
    part_position bigint[];
    stream_before bigint[];
    stream_version bigint[];
    stream_first bigint[];
    stream_last bigint[];
    written_streams bigint := 0;
    new_streams bigint;
    inserted bigint;
    updated bigint;
    recorded_us bigint;
begin
    if part_event[1] <> 1 or part_event[parts + 1] <> events + 1
        or event_part <> array(select e.part from unnest(event_part) as e (part) order by e.part)
    then
        raise exception 'events are not in the order of their parts'
            using errcode = 'data_exception';
    end if;

    -- The service checks more than this. Here it is for those who call the function by hand: a body
    -- that nobody can decode stops all readers. Surrogates and NUL are noticed by jsonb alone, which
    -- takes three times as long.
    if exists (
        select
        from unnest(event) e
        cross join lateral (
            values (convert_from(e.body, 'UTF8')), (convert_from(e.metadata, 'UTF8'))
        ) t (json)
        where left(t.json, 1) <> '{' or case
            when strpos(t.json, '\u') > 0 then t.json::jsonb is null
            else t.json::json is null
        end
    ) then
        raise exception 'body and metadata are JSON objects' using errcode = 'data_exception';
    end if;

    select h.* into strict head from log.head h for update;
    if head.position < known_position then
        raise exception 'its log ends at position %, not %', head.position, known_position
            using errcode = 'FL001';
    end if;

    outcome := array_fill(null::text, array[requests]);
    first_position := array_fill(null::bigint, array[requests]);
    last_position := first_position;
    duplicate_at := array_fill(null::timestamptz, array[requests]);
    conflict_part := array_fill(null::integer, array[requests]);
    conflict_version := first_position;
    refused_event := conflict_part;
    part_position := array_fill(null::bigint, array[parts]);

    -- Idempotency keys that the log already has.
    if cardinality(keys) > 0 then
        for known in
            select
                k.request as n, k.fingerprint = i.fingerprint as same,
                i.first_position, i.last_position, i.recorded_at
            from unnest(keys) k
            join log.idempotency i on i.tenant = k.tenant and i.key = k.key
        loop
            outcome[known.n] := case when known.same then 'duplicate' else 'mismatch' end;
            continue when not known.same;
            first_position[known.n] := known.first_position;
            last_position[known.n] := known.last_position;
            duplicate_at[known.n] := known.recorded_at;
        end loop;
        has_known_keys := found;
    end if;

    select
        array_agg(
            coalesce(
                (
                    select t.version from log.streams t
                    where t.tenant = s.tenant and t.stream = s.stream
                ),
                0
            )
            order by s.n
        ),
        exists (select from unnest(event_id) as e (id) join log.event_ids i on i.event_id = e.id)
    into strict stream_before, has_known_ids
    from unnest(streams) with ordinality as s (tenant, stream, n);

    -- Event ids that the log already has. If it has the whole request, unchanged and contiguous,
    -- the request is a repeat.
    if has_known_ids then
        for known in
            select
                part_request[e.part] as n,
                count(s.position) = count(*)
                    and max(s.position - e.n) = min(s.position - e.n) as same,
                min(s.position) as first_position,
                max(s.position) as last_position,
                max(s.recorded_at) as recorded_at,
                min(e.n) filter (where i.position is not null) as refused_event
            from unnest(event_part, event_id) with ordinality as e (part, id, n)
            left join log.event_ids i on i.event_id = e.id
            left join log.events s on s.position = i.position
                and s.tenant = streams[part_stream[e.part]].tenant
                and s.stream = streams[part_stream[e.part]].stream
                and s.type = event[e.n].type and s.body = event[e.n].body
            group by part_request[e.part]
            having count(i.position) > 0
        loop
            continue when outcome[known.n] is not null;
            outcome[known.n] := case when known.same then 'duplicate' else 'known' end;
            refused_event[known.n] := case when not known.same then known.refused_event end;
            continue when not known.same;
            first_position[known.n] := known.first_position;
            last_position[known.n] := known.last_position;
            duplicate_at[known.n] := known.recorded_at;
        end loop;
    end if;

    recorded_at := greatest(clock_timestamp(), head.recorded_at);
    next_position := head.position + 1;

    -- The usual batch: each request writes to one stream of its own, and no version conflicts. One
    -- statement then assigns all positions, in a quarter of the time.
    fast_path := not has_known_keys and not has_known_ids
        and part_request = numbers and part_stream = numbers;
    if fast_path then
        select
            bool_and((p.next > p.first and log.version_matches(p.expected, p.before)) is true),
            array_agg(head.position + p.first),
            array_agg(head.position + p.next - 1),
            array_agg(p.before + 1),
            array_agg(p.before + p.next - p.first),
            count(*) filter (where p.before = 0)
        into strict fast_path, stream_first, stream_last, part_version, stream_version, new_streams
        from (
            select
                unnest(part_event[:parts]) as first,
                unnest(part_event[2:]) as next,
                unnest(part_expected) as expected,
                unnest(stream_before) as before
        ) p;
    end if;

    if fast_path then
        outcome := array_fill('appended'::text, array[requests]);
        first_position := stream_first;
        last_position := stream_last;
        part_position := stream_first;
        written_streams := parts;
        next_position := next_position + events;
    else
        -- Request by request: each one sees the versions that the earlier ones leave.
        stream_first := array_fill(null::bigint, array[cardinality(streams)]);
        stream_last := stream_first;
        stream_version := stream_before;
        part_version := part_position;
        new_streams := 0;
        for request in 1 .. requests loop
            from_part := next_part;
            while part_request[next_part] = request loop
                actual := stream_version[part_stream[next_part]];
                if outcome[request] is null
                    and log.version_matches(part_expected[next_part], actual) is not true
                then
                    outcome[request] := 'conflict';
                    conflict_part[request] := next_part;
                    conflict_version[request] := actual;
                end if;
                next_part := next_part + 1;
            end loop;
            continue when outcome[request] is not null;

            outcome[request] := 'appended';
            first_position[request] := next_position;
            for part in from_part .. next_part - 1 loop
                size := part_event[part + 1] - part_event[part];
                continue when size = 0;
                stream := part_stream[part];
                part_position[part] := next_position;
                part_version[part] := stream_version[stream] + 1;
                stream_version[stream] := stream_version[stream] + size;
                if stream_first[stream] is null then
                    stream_first[stream] := next_position;
                    written_streams := written_streams + 1;
                    if stream_before[stream] = 0 then
                        new_streams := new_streams + 1;
                    end if;
                end if;
                next_position := next_position + size;
                stream_last[stream] := next_position - 1;
            end loop;
            last_position[request] := next_position - 1;
            if last_position[request] < first_position[request] then
                raise exception 'request % has no events', request using errcode = 'data_exception';
            end if;
        end loop;
        if next_part <= parts then
            raise exception 'parts are not in the order of their requests'
                using errcode = 'data_exception';
        end if;
    end if;
    if next_position = head.position + 1 then
        return;
    end if;

    recorded_us := log.micros(recorded_at);
    with written as (
        insert into log.events (
            position, tenant, stream, version, event_id, type, schema_version, body, metadata,
            actor, correlation_id, causation_id, idempotency_key, occurred_at, recorded_at,
            leaf_hash
        )
        select
            e.position, e.tenant, e.stream, e.version, e.id, e.type, e.schema_version, e.body,
            e.metadata, e.actor, e.correlation_id, e.causation_id,
            e.idempotency_key, e.occurred_at,
            append.recorded_at,
            log.leaf_1(
                e.position, e.version, recorded_us, log.micros(e.occurred_at), e.schema_version,
                e.tenant, e.stream, e.id, e.type, e.actor, e.correlation_id, e.causation_id,
                e.idempotency_key, e.metadata, e.body
            )
        from (
            select
                n.id,
                (n.e).*,
                part_position[n.part] + n.n - part_event[n.part] as position,
                part_version[n.part] + n.n - part_event[n.part] as version,
                streams[part_stream[n.part]].tenant as tenant,
                streams[part_stream[n.part]].stream as stream
            from (
                select
                    generate_series(1, events) as n,
                    unnest(event_part) as part,
                    unnest(event_id) as id,
                    unnest(event) as e
            ) n
            where part_position[n.part] is not null
            offset 0
        ) e
        returning event_id, position, leaf_hash
    ), ids as (
        insert into log.event_ids (event_id, position) select event_id, position from written
    ), moved as (
        update log.head h set position = next_position - 1, recorded_at = append.recorded_at
    )
    select count(*), array_agg(leaf_hash order by position) into strict inserted, leaf_hashes
    from written;
    if inserted <> next_position - 1 - head.position then
        raise exception 'positions are not dense' using errcode = 'data_exception';
    end if;

    if new_streams > 0 then
        insert into log.streams (tenant, stream, version, first_position, last_position)
        select (s.stream).tenant, (s.stream).stream, s.version, s.first_position, s.last_position
        from (
            select
                unnest(streams) as stream,
                unnest(stream_before) as before,
                unnest(stream_version) as version,
                unnest(stream_first) as first_position,
                unnest(stream_last) as last_position
        ) s
        where s.before = 0 and s.version > 0;
        get diagnostics inserted = row_count;
        if inserted <> new_streams then
            raise exception 'new streams are not as counted' using errcode = 'data_exception';
        end if;
    end if;
    if new_streams < written_streams then
        update log.streams t set version = s.version, last_position = s.last_position
        from (
            select
                (s.stream).tenant, (s.stream).stream, s.before, s.version, s.last_position
            from (
                select
                    unnest(streams) as stream,
                    unnest(stream_before) as before,
                    unnest(stream_version) as version,
                    unnest(stream_last) as last_position
            ) s
            offset 0
        ) s
        where t.tenant = s.tenant and t.stream = s.stream and s.before > 0 and s.version > s.before;
        get diagnostics updated = row_count;
        if new_streams + updated <> written_streams then
            raise exception 'a stream stands twice in the batch' using errcode = 'data_exception';
        end if;
    end if;

    if cardinality(keys) > 0 then
        insert into log.idempotency (
            tenant, key, fingerprint, first_position, last_position, recorded_at
        )
        select
            k.tenant, k.key, k.fingerprint, append.first_position[k.request],
            append.last_position[k.request], append.recorded_at
        from unnest(keys) k
        where append.outcome[k.request] = 'appended';
    end if;
end
$$;


-- Readiness: a process asks whether an append would succeed.

create table log.probed (
    single boolean primary key default true check (single),
    probed_at timestamptz not null
) with (fillfactor = 10);

comment on table log.probed is 'When a process last checked that it can write. It means nothing else.';

insert into log.probed (probed_at) values ('epoch');

create function log.probe() returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '1s'
as $$
begin
    perform from log.head for update;
    update log.probed set probed_at = clock_timestamp();
end
$$;

comment on function log.probe() is
    'Takes the lock of an append and writes a row: fails where an append would fail.';


select log.ensure_partitions();
