"""The duties of servers, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import and_, delete, or_, select

from batchscribe_server.store import tables
from batchscribe_server.store.database import Database
from batchscribe_server.store.dialect import put
from batchscribe_server.store.ledger import Ledger

KEPT = timedelta(hours=1)
"""How long what a dead server held is remembered."""

_duties = tables.duties.c


class SqlDutyStore:
    """The DutyStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take_duties(self, owner: str, names: Sequence[str], lease_s: float) -> frozenset[str]:
        """Take what is free, and prolong what is held."""
        return await self._database.write(partial(_take, owner=owner, names=names, lease_s=lease_s))

    async def leave_duties(self, owner: str, names: Sequence[str]) -> None:
        """Delete the rows."""
        await self._database.write(partial(_leave, owner=owner, names=names))


def _take(ledger: Ledger, owner: str, names: Sequence[str], lease_s: float) -> frozenset[str]:
    row = {"owner": owner, "lease_expire_time": ledger.now + timedelta(seconds=lease_s)}
    free = or_(_duties.owner == owner, _duties.lease_expire_time <= ledger.now)
    for name in sorted(names):  # in order, so that two never wait for each other crosswise
        put(ledger.connection, tables.duties, {"name": name} | row, where=free)
    held = select(_duties.name).where(_duties.name.in_(names), _duties.owner == owner)
    return frozenset(ledger.connection.execute(held).scalars())


def _leave(ledger: Ledger, owner: str, names: Sequence[str]) -> None:
    left = and_(_duties.name.in_(names), _duties.owner == owner)
    # What a dead server held was taken by another one since, if it was not done.
    forgotten = _duties.lease_expire_time <= ledger.now - KEPT
    ledger.connection.execute(delete(tables.duties).where(or_(left, forgotten)))
