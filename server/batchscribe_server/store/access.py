"""What batches and jobs reach object stores with, sealed: written with them, and deleted with them or at their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from batchscribe_server.domain.errors import CredentialsDeletedError
from batchscribe_server.operations.store import SealedAccess
from batchscribe_server.store import tables

if TYPE_CHECKING:
    from batchscribe_server.store.database import Database  # which the ledger, that uses this module, is part of

_SUBMIT_AGAIN = "Submit it again with them; with on_conflict SKIP what was done is left alone."
_DELETE_YOURSELF = "Delete the outputs yourself, and here the record alone."

_access = tables.access.c
_SEALED = select(func.coalesce(_access.sealed, _access.remaining)).where(_access.resource == bindparam("of_resource"))
_FORGET_SECRETS = (
    update(tables.access).where(_access.resource == bindparam("of_resource"), _access.holds_secrets).values(sealed=None)
)


class SqlAccessStore:
    """The AccessStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_access(self, resource: str) -> bytes | None:
        """Read what a batch or a job was given, or what is left of it."""
        return await self._database.read(
            lambda connection: connection.execute(_SEALED, {"of_resource": resource}).scalar_one_or_none()
        )


def keep_access(connection: Connection, resource: str, access: SealedAccess | None) -> None:
    """Store the access of a new resource."""
    if access is not None:
        row = {
            "resource": resource,
            "sealed": access.data,
            "holds_secrets": access.holds_secrets,
            "remaining": access.remaining,
        }
        connection.execute(insert(tables.access), row)


def forget_secrets(connection: Connection, resources: Iterable[str]) -> None:
    """Delete the secrets of resources that have ended."""
    for resource in resources:
        connection.execute(_FORGET_SECRETS, {"of_resource": resource})


def remove_access(connection: Connection, resources: Iterable[str]) -> None:
    """Delete all of resources that are deleted."""
    connection.execute(delete(tables.access).where(_access.resource.in_(list(resources))))


def check_can_run(connection: Connection, resource: str) -> None:
    """Raises CredentialsDeletedError for a resource whose secrets were deleted."""
    _check(connection, resource, _access.sealed.is_(None), _SUBMIT_AGAIN)


def check_outputs_in_reach(connection: Connection, resource: str) -> None:
    """Raises CredentialsDeletedError for a resource whose outputs need secrets that were deleted."""
    _check(connection, resource, _access.sealed.is_(None) & _access.remaining.is_(None), _DELETE_YOURSELF)


def _check(connection: Connection, resource: str, gone: ColumnElement[bool], advice: str) -> None:
    missing = select(_access.resource).where(_access.resource == resource, gone)
    if connection.execute(missing).scalar_one_or_none() is not None:
        raise CredentialsDeletedError(
            f"The credentials that came with it were deleted when it ended. {advice}", resource=resource
        )
