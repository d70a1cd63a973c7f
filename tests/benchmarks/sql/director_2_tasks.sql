-- The one task of each workflow of Celery Director.
-- No parameters.
-- No index: all workflows are read.
insert into tasks (id, created_at, updated_at, key, status, previous, workflow_id, is_hook)
select gen_random_uuid(), created_at, updated_at, 'TRANSFER', status, '[]', id, false from workflows
