"""Whose queued job is claimed next: a pure decision over who runs how many.

The length of a file is not known before it is opened, so shares are of what runs at once: the next job is one of the
tenant that runs fewest, then of that tenant's batch that runs fewest, and among equals of the one served longest ago.
Counting what was served instead would let a batch of long recordings take all places in the end, since those of others
are given back sooner. Priority ranks the batches of one tenant and moves no other tenant's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar


@dataclass(slots=True)
class Line:
    """The queued jobs of one batch, or with no `batch_id` a tenant's single files, of one priority."""

    batch_id: str
    priority: int
    queued: int
    running: int
    served_time: datetime

    @property
    def rank(self) -> tuple[int, int, datetime, str]:
        """Lowest first."""
        return -self.priority, self.running, self.served_time, self.batch_id


@dataclass(slots=True)
class Tenant:
    """Who has jobs queued; `served_time` is None for one that never had a turn."""

    id: str
    running: int
    served_time: datetime | None

    @property
    def rank(self) -> tuple[int, bool, datetime | None, str]:
        """Lowest first."""
        return self.running, self.served_time is not None, self.served_time, self.id


AnyTenant = TypeVar("AnyTenant", bound=Tenant)


def choose(
    tenants: Iterable[AnyTenant], lines_of: Callable[[AnyTenant], list[Line]], limit: int, reserved: int, now: datetime
) -> list[tuple[str, str]]:
    """The tenant and batch of each of the next jobs, at most `limit`, in order.

    The last `reserved` of them go only to batches that run nothing. `lines_of` is asked once for each tenant that has a
    turn, and its result is used up.
    """
    waiting = {tenant.id: tenant for tenant in tenants}
    lines: dict[str, list[Line]] = {}
    chosen: list[tuple[str, str]] = []
    while waiting and len(chosen) < limit:
        tenant = min(waiting.values(), key=lambda tenant: tenant.rank)
        if tenant.id not in lines:
            lines[tenant.id] = lines_of(tenant)
        newcomers_only = limit - len(chosen) <= reserved
        able = [line for line in lines[tenant.id] if line.queued and not (newcomers_only and line.running)]
        if not able:
            del waiting[tenant.id]
            continue
        first = min(able, key=lambda line: line.rank)
        chosen.append((tenant.id, first.batch_id))
        served_time = now + len(chosen) * timedelta.resolution
        first.queued -= 1
        tenant.running += 1
        tenant.served_time = served_time
        for line in lines[tenant.id]:
            if line.batch_id == first.batch_id:
                line.running += 1
                line.served_time = served_time
    return chosen
