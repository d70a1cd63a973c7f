-- Bound what a check may take, in its transaction.
-- No parameters.
-- Index: none. Sequential scans are off as in the service: the log may have any size.
select
    set_config('statement_timeout', '5s', true), set_config('lock_timeout', '1s', true),
    set_config('enable_seqscan', 'off', true), set_config('TimeZone', 'UTC', true)
