-- Give a session what the service assumes of it: role, time zone, timeouts, search path.
-- $1: names of settings; $2: their values.
-- Index: none.
select set_config(setting.name, setting.value, false)
from unnest($1::text[], $2::text[]) as setting (name, value)
