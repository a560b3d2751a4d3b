"""Whose queued job is claimed next: a pure decision over who runs how many.

The length of a file is not known before it is opened, so shares are of what runs at once: the next job is one of the
tenant that runs fewest, then of that tenant's batch that runs fewest, and among equals of the one served longest ago.
What waits for a store runs only in name, so that it does not count there; how much may wait is shared by itself.
Counting what was served instead would let a batch of long recordings take all places in the end, since those of others
are given back sooner. Priority ranks the batches of one tenant and moves no other tenant's.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from batchscribe_server.domain.fair_share import BATCHES_FACTOR, TENANTS_FACTOR, may_take_more
from batchscribe_server.domain.party import Party
from batchscribe_server.operations.run_store import ServerLoad


@dataclass(slots=True)
class Line:
    """The queued jobs of one batch, or with no `batch_id` a tenant's single files, of one priority.

    `running` leaves out those that only transfer. Of all lines of its batch the claiming server may take `most` more.
    """

    batch_id: str
    priority: int
    queued: int
    running: int
    served_time: datetime
    most: int = sys.maxsize

    @property
    def rank(self) -> tuple[int, int, datetime, str]:
        """Lowest first."""
        return -self.priority, self.running, self.served_time, self.batch_id


@dataclass(slots=True)
class Tenant:
    """Who has jobs queued; `served_time` is None for one that never had a turn. `running` as of a line."""

    id: str
    running: int
    served_time: datetime | None

    @property
    def rank(self) -> tuple[int, bool, datetime | None, str]:
        """Lowest first."""
        return self.running, self.served_time is not None, self.served_time, self.id


AnyTenant = TypeVar("AnyTenant", bound=Tenant)


def choose(
    tenants: Iterable[AnyTenant],
    lines_of: Callable[[AnyTenant], list[Line]],
    limit: int,
    reserved: int,
    load: ServerLoad,
    now: datetime,
) -> list[Party]:
    """Whose job each of the next is, at most `limit`, in order.

    Each begins by fetching its file; the last `reserved` go only to batches that fetch nothing. `lines_of` is asked
    once for each tenant that has a turn, and its result is used up.
    """
    places = _FetchingPlaces(load)
    waiting = {tenant.id: tenant for tenant in tenants}
    lines: dict[str, list[Line]] = {}
    chosen: list[Party] = []
    while waiting and len(chosen) < limit:
        tenant = min(waiting.values(), key=lambda tenant: tenant.rank)
        if tenant.id not in lines:
            lines[tenant.id] = lines_of(tenant)
        newcomers_only = limit - len(chosen) <= reserved
        parties = {
            line.batch_id: Party(tenant.id, line.batch_id) for line in lines[tenant.id] if line.queued and line.most > 0
        }
        able = {
            batch_id
            for batch_id, party in parties.items()
            if places.may_take(party) and not (newcomers_only and places.held_by(party))
        }
        if not able:
            del waiting[tenant.id]
            continue
        first = min(
            (line for line in lines[tenant.id] if line.queued and line.batch_id in able), key=lambda line: line.rank
        )
        party = parties[first.batch_id]
        places.take(party)
        chosen.append(party)
        served_time = now + len(chosen) * timedelta.resolution
        first.queued -= 1
        tenant.running += 1
        tenant.served_time = served_time
        for line in lines[tenant.id]:
            if line.batch_id == first.batch_id:
                line.most -= 1
                line.running += 1
                line.served_time = served_time
    return chosen


class _FetchingPlaces:
    """Who fetches, with those that are chosen; who writes slowly gets no more to fetch."""

    def __init__(self, load: ServerLoad) -> None:
        self._load = load
        self._held = Counter(load.fetching)
        self._of_tenants: Counter[str] = Counter()
        for party, count in load.fetching.items():
            self._of_tenants[party.tenant] += count
        self._free = load.places - self._held.total()

    def held_by(self, party: Party) -> int:
        """How many files of a party are fetched."""
        return self._held[party]

    def may_take(self, party: Party) -> bool:
        """Whether one more of it may be."""
        return (
            may_take_more(self._of_tenants[party.tenant], self._free, TENANTS_FACTOR)
            and may_take_more(self._held[party], self._free, BATCHES_FACTOR)
            and not self._load.held_back_by_writing(party)
        )

    def take(self, party: Party) -> None:
        """One more is."""
        self._held[party] += 1
        self._of_tenants[party.tenant] += 1
        self._free -= 1
