-- Workflows of Celery Director, a second apart, as `POST /api/workflows` records them; one in ten has succeeded.
-- :count is replaced by how many.
-- No index.
insert into workflows (id, created_at, updated_at, name, project, status, payload, periodic)
select
    gen_random_uuid(),
    now() - make_interval(secs => :count - n),
    now() - make_interval(secs => :count - n),
    'TRANSFER',
    'example',
    case when n % 10 = 0 then 'success' else 'pending' end::statustype,
    '{"n": 1}',
    false
from generate_series(1, :count) as n
