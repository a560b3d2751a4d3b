"""The store on each database there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from batchscribe_server.operations.store import Store
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import Clock
from tests.postgres_server import PostgresServer, postgres_server

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.slow)]


@pytest.fixture
def wakeups() -> Wakeups:
    return Wakeups()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database that is empty as yet, of each kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> str:
    """An empty PostgreSQL database."""
    return asyncio.run(postgres.create_database())


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The path of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'batchscribe.db'}"


@pytest.fixture
async def store(database_url: str, wakeups: Wakeups, clock: Clock) -> AsyncIterator[Store]:
    async with SqlStore.open(database_url, wakeups, clock=clock) as opened:
        yield opened
