"""What every test may ask for: a Postgres, and a database of its own on it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests import postgres

RUN = "FLOWLEDGER_TEST_RUN"
ALIVE = pytest.StashKey()

# A busy machine is no failure: hypothesis fails an example over 200 ms by default.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        folder, config.stash[ALIVE] = postgres.open_run()
        os.environ[RUN] = str(folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if ALIVE in config.stash:
        with config.stash[ALIVE]:
            postgres.close_run(Path(os.environ.pop(RUN)))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let SIGINT end child processes: what a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def postgres_run() -> Path:
    """The folder that notes what this run has started."""
    return Path(os.environ[RUN])


@pytest.fixture(scope="session")
def postgres_server(postgres_run: Path) -> str:
    """The administrator's URL of the server that this run uses."""
    return postgres.server_url(postgres_run)


@pytest.fixture(scope="session")
def template_database(postgres_run: Path) -> str:
    """The name of a database that was migrated once; copy it, connect to it never."""
    return postgres.template(postgres_run)


@pytest.fixture
def database_url(postgres_run: Path, template_database: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    with postgres.fresh_database(postgres_run, template_database) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_run: Path) -> Iterator[str]:
    """A database of the test's own with nothing in it; roles, which are the server's, may exist."""
    with postgres.fresh_database(postgres_run) as url:
        yield url


@pytest.fixture
def own_cluster() -> Iterator[postgres.OwnCluster]:
    """A Postgres of the test's own, to be killed, stopped and started."""
    with postgres.own_cluster() as cluster:
        yield cluster
