-- Export walks the answered keys in the order of the log, beside the events.

create unique index idempotency_first_position on log.idempotency (first_position);

comment on index log.idempotency_first_position is
    'For export: which keys were answered with the events of a range. Grows at its end alone.';
