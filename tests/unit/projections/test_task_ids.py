"""The ids of a run's tasks."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from projections.documents.flow import Plan, PlanTask
from projections.documents.task import task_ids


@given(st.uuids(), st.lists(st.text(), unique=True, max_size=5))
def test_the_id_of_a_task_is_the_uuid5_of_its_path_in_the_run(run_id, paths):
    plan = Plan(tuple(PlanTask(path, path) for path in paths))

    assert task_ids(str(run_id), plan) == {
        path: str(uuid5(UUID(str(run_id)), path)) for path in paths
    }
