"""Which failures of SQLite lie in what is below it, and not in what it was asked: it is waited for, as a server is."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

_BELOW = {
    sqlite3.SQLITE_FULL: "the disk of the database is full",
    sqlite3.SQLITE_IOERR: "the disk of the database fails",
    sqlite3.SQLITE_CANTOPEN: "the file of the database cannot be opened, or there are no descriptors left",
    sqlite3.SQLITE_BUSY: "another process has the database locked",
    sqlite3.SQLITE_READONLY: "the file of the database cannot be written",
    sqlite3.SQLITE_NOMEM: "there is no memory left for the database",
    sqlite3.SQLITE_CORRUPT: "the file of the database is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file of the database is damaged: restore it from a backup",
}
"""By primary result code, see https://sqlite.org/rescode.html."""


class DatabaseFileGoneError(Exception):
    """The file was removed or replaced under the server: what is written now would be lost."""


def failure_below(error: BaseException) -> str:
    """What is wrong below the database, in words; empty where nothing is."""
    if isinstance(error, DatabaseFileGoneError):
        return str(error)
    code = getattr(error.orig, "sqlite_errorcode", 0) if isinstance(error, DBAPIError) else 0
    return _BELOW.get(code & 0xFF, "")
