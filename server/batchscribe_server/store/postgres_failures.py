"""Which failures of PostgreSQL pass by themselves: conflicts between transactions, and a database that is away."""

from __future__ import annotations

import asyncpg
from sqlalchemy.exc import DBAPIError

_CONFLICTS = ("40001", "40P01")  # serialization_failure, deadlock_detected
# Connections, resources, what an operator or a restart did, the disk below; a standby that was not promoted yet.
_PASSING_CLASSES = ("08", "53", "57", "58")
_READ_ONLY = "25006"
_QUERY_CANCELED = "57014"  # of the same class, but of a statement that takes too long on a database that is there
_MISCONFIGURED_CLASSES = ("22", "28", "3D", "42")


def is_conflict(error: BaseException) -> bool:
    """The database ended a transaction that was in another's way."""
    return isinstance(error, DBAPIError) and _sqlstate(error) in _CONFLICTS


def is_away(error: BaseException) -> bool:
    """There is no connection, or none over which anything can be done now."""
    match error:
        case DBAPIError():
            sqlstate = _sqlstate(error)
            passing = (sqlstate[:2] in _PASSING_CLASSES and sqlstate != _QUERY_CANCELED) or sqlstate == _READ_ONLY
            return error.connection_invalidated or passing or (_is_of_connection(error) and not is_conflict(error))
        # Not all that the driver raises is wrapped. A TimeoutError is an OSError.
        case OSError() | asyncpg.PostgresError() | asyncpg.InterfaceError():
            return True
        case _:
            return False


def is_misconfigured(error: BaseException) -> bool:
    """Connecting failed for a reason that waiting does not mend: a name, a password, an option."""
    return isinstance(error, DBAPIError) and _is_of_connection(error) and _sqlstate(error)[:2] in _MISCONFIGURED_CLASSES


def plain_words(error: BaseException) -> str:
    """What the driver or the system says, in one line."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig.__cause__ or error.orig
    return str(error).partition("\n")[0] or type(error).__name__


def _is_of_connection(error: DBAPIError) -> bool:
    """Connecting or committing failed, not a statement."""
    return error.statement is None


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""
