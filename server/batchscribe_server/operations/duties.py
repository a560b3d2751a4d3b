"""Duties: work that one of the servers does for all of them, such as the scan of a batch.

Whatever is done twice comes out the same, so nothing depends on a duty being held by one server alone: it spares the
others the same work. A server that dies leaves its duties to whoever looks once their leases have run out.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import structlog

from batchscribe_server.domain.errors import DatabaseUnavailableError

log = structlog.get_logger()


class DutyStore(Protocol):
    """The port to the duties that servers share, each under a name of its own."""

    async def take_duties(self, owner: str, names: Sequence[str], lease_s: float) -> frozenset[str]:
        """Take what nobody holds and prolong what is held; returns what the owner holds now of these names."""
        ...

    async def leave_duties(self, owner: str, names: Sequence[str]) -> None:
        """Let go of what the owner holds of these names."""
        ...


class Duties:
    """The duties of one server; with no store it has no others beside it, and every duty is its own."""

    def __init__(self, store: DutyStore | None = None, owner: str = "", lease_s: float = 30.0) -> None:
        self._store = store
        self._owner = owner
        self._lease_s = lease_s

    @property
    def renewal_s(self) -> float:
        """How often those that are held are to be taken again."""
        return self._lease_s / 3

    async def take(self, names: Collection[str]) -> frozenset[str]:
        """Take, or go on holding, as many of these as no other server holds. Raises DatabaseUnavailableError."""
        if self._store is None or not names:
            return frozenset(names)
        return await self._store.take_duties(self._owner, list(names), self._lease_s)

    async def leave(self, name: str) -> None:
        """One is done, or is given up."""
        if self._store is None:
            return
        try:
            await self._store.leave_duties(self._owner, [name])
        except DatabaseUnavailableError:
            log.warning("duty_left_to_its_lease", duty=name)
