-- Read stored events after a position, each with the idempotency key of the request it begins.
-- $1 after this position, $2 up to this one, $3 bytes of bodies at most, after the first event.
-- Index: log.events_pkey, log.idempotency_first_position.
select
    e.position, e.tenant, e.stream, e.version, e.event_id, e.type, e.schema_version, e.body,
    e.metadata, e.actor, e.correlation_id, e.causation_id, e.idempotency_key, e.occurred_at,
    e.recorded_at, e.leaf_hash, i.key, i.fingerprint, i.last_position
from (
    select
        e.*,
        sum(octet_length(e.body) + octet_length(e.metadata)) over (order by e.position) as size
    from log.events e
    where e.position > $1 and e.position <= $2
) e
left join log.idempotency i on i.first_position = e.position
where e.size <= $3 or e.position = $1 + 1
order by e.position
