-- Append a batch of requests: one outcome for each request, in arrays.
-- $1 keys of requests, $2 their streams, $3-$5 their parts, $6-$8 the events; $9 a known position.
-- Index: the primary keys of log.head, log.streams, log.event_ids and log.idempotency.
select
    outcome, first_position, last_position, recorded_at, duplicate_at, conflict_part,
    conflict_version, refused_event, part_version, leaf_hashes
from log.append($1, $2, $3, $4, $5, $6, $7, $8, $9)
