"""Where a PostgreSQL database is and how it is spoken to: `database.url`, read as libpq reads its own."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from batchscribe_server.store.errors import StoreError

if TYPE_CHECKING:
    import asyncpg

SCHEMES = ("postgresql", "postgresql+asyncpg")
CONNECT_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 45.0
"""The longest wait for an answer; longer than the server's own limit, so that it is for a database that hangs."""

_SESSION = {
    "application_name": "batchscribe",
    "statement_timeout": "30s",
    # What a replica that was suspended or cut off has locked is free again after so long.
    "idle_in_transaction_session_timeout": "10s",
}
"""Settings of each session that the URL does not give."""


class PostgresUrl:
    """A checked URL. Holds the password, and shows it nowhere."""

    def __init__(self, url: str) -> None:
        """Raises StoreError, in words that repeat nothing of the URL but its scheme."""
        scheme, _, rest = url.partition("://")
        if scheme not in SCHEMES:
            raise StoreError(f"database.url begins with {scheme!r}: PostgreSQL is spoken to as {' or '.join(SCHEMES)}.")
        for library in ("asyncpg", "greenlet"):
            if find_spec(library) is None:
                raise StoreError(f"PostgreSQL needs {library}, which is not installed: install batchscribe[postgres].")
        try:
            parts = urlsplit(f"postgresql://{rest}")
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            self._connect_timeout_s = float(options.pop("connect_timeout", CONNECT_TIMEOUT_S))
        except ValueError:
            raise StoreError(
                "database.url is not a URL: in a name or a password, '/', '@', '#' and the like are written as %2F, …"
            ) from None
        if parts.fragment:
            raise StoreError("database.url has a '#': in a password it is written as %23.")
        if self._connect_timeout_s <= 0:
            raise StoreError("database.url: connect_timeout must be more than 0 seconds.")
        self._dsn = parts._replace(query=urlencode(_SESSION | options)).geturl()

    async def connect(self, command_timeout_s: float | None = COMMAND_TIMEOUT_S) -> asyncpg.Connection[Any]:
        """A new connection, on which each answer is waited for so long. What the URL's query says is honoured by the
        driver, or else asked of the server, which refuses what it does not know.

        Raises StoreError for what will not change by itself, and OSError or asyncpg's errors.
        """
        import asyncpg

        try:
            return await asyncpg.connect(self._dsn, timeout=self._connect_timeout_s, command_timeout=command_timeout_s)
        except asyncpg.ClientConfigurationError as error:
            raise StoreError(f"database.url: {error}") from None
        except ValueError:
            raise StoreError("database.url: its host, port or an option cannot be read.") from None
