-- Name every tenant that has a stream.
-- No parameters.
-- Index: log.streams_pkey, one step for each tenant, however many streams it has.
with recursive tenants as (
    (select tenant from log.streams order by tenant limit 1)
    union all
    select (select s.tenant from log.streams s where s.tenant > t.tenant order by s.tenant limit 1)
    from tenants t
    where t.tenant is not null
)
select tenant from tenants where tenant is not null
