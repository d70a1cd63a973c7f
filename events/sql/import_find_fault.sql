-- Find the first event of a batch that does not fit the log before it, and the reason.
-- No parameters.
-- Index: log.streams_pkey, log.event_ids_pkey, log.idempotency_pkey.
select f.position, f.fault
from (
    select
        b.position,
        case
            when b.leaf_hash <> log.leaf_1(
                b.position, b.version, log.micros(b.recorded_at), log.micros(b.occurred_at),
                b.schema_version, b.tenant, b.stream, b.event_id, b.type, b.actor,
                b.correlation_id, b.causation_id, b.idempotency_key, b.metadata, b.body
            ) then 'the leaf hash does not match: the event was changed'
            when b.version <> coalesce(s.version, 0) + row_number() over (
                partition by b.stream, b.tenant order by b.position
            ) then 'its version is not the next one of stream ' || b.stream
            when i.event_id is not null
                or row_number() over (partition by b.event_id order by b.position) > 1
            then 'an earlier event has its event id'
            when k.key is not null
                or b.request_key is not null and row_number() over (
                    partition by b.tenant, b.request_key order by b.position
                ) > 1
            then 'an earlier request has its idempotency key'
        end as fault
    from pg_temp.import_batch b
    left join log.streams s on s.stream = b.stream and s.tenant = b.tenant
    left join log.event_ids i on i.event_id = b.event_id
    left join log.idempotency k on k.tenant = b.tenant and k.key = b.request_key
) f
where f.fault is not null
order by f.position
limit 1
