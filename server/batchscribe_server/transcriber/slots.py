"""The owner of every slot of the arena: who holds which, and who is next.

    FREE --request--> FILLING --filled--> READY --reading--> READING --release--> FREE
                      (media worker)      (pool)    ^  |     (engine)
                                                    +--+ ready: its engine died, or it must be decoded again

Fairness: a free slot goes to the tenant that has fewest, then to its batch that has fewest, then to the file (the
holder) that has fewest, then to whoever has waited longest. A file alone may have all slots but one, which is kept for
a newcomer; where others are about, a newcomer is the first in that order. With others it gets its equal share of its
batch's equal share of its tenant's, though always as many as `GUARANTEED`.

No deadlock: a file whose language is being found keeps the slots of at most `GUARANTEED` segments until it is known,
and needs no more to go on. Were all files stuck, each would hold fewer than `GUARANTEED` and wait for another one. At
most `media_workers` files (spare ones counted) can wait for a slot, so at most (GUARANTEED - 1) * media_workers slots
would be held by them; files that are fully cut wait for nothing and give theirs back. With
`fewest_slots(media_workers)` slots at least two were free, and a free slot beside the reserve is always granted to
whoever holds fewer than `GUARANTEED`.

The same holds for a file that is heard in sequence (see `sequential`): its window lies in at most `GUARANTEED` blocks,
so with that many it goes on, and each window that was heard moves the next one on until the first block is given back.
Stuck, it too holds fewer and waits for another one.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, TypeVar

from batchscribe_server.domain.party import Party

Name = TypeVar("Name")

GUARANTEED = 3
"""The slots a file can always get in time: the segments from which its language is found, or a window's blocks."""


def fewest_slots(media_workers: int) -> int:
    """The fewest slots with which so many media workers can never block each other."""
    return (GUARANTEED - 1) * media_workers + 2


class SlotState(Enum):
    """Who may touch a slot."""

    FREE = auto()
    FILLING = auto()
    READY = auto()
    READING = auto()


class Holder(Protocol):
    """Who asks for slots: one file. `backlogged` is true while its results wait for their reader."""

    @property
    def party(self) -> Party: ...

    @property
    def backlogged(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to one slot under one generation."""

    slot: int
    generation: int


@dataclass(slots=True)
class _Held:
    holder: Holder
    generation: int
    state: SlotState


class SlotAllocator:
    """All slots of one arena. Grants are futures, settled in fair order; cancelling one gives its place up."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        # The lowest numbers first: memory is taken only by slots that were ever written.
        self._free = list(range(slots))
        self._held: dict[int, _Held] = {}
        self._counts: Counter[Holder] = Counter()
        self._of_parties: Counter[Party] = Counter()
        self._of_tenants: Counter[str] = Counter()
        self._waiting: list[tuple[Holder, asyncio.Future[Grant]]] = []
        self._generations = itertools.count(1)

    @property
    def free(self) -> int:
        """How many slots nobody holds."""
        return len(self._free)

    def held_by(self, holder: Holder) -> int:
        """How many slots a holder has, whatever their state."""
        return self._counts[holder]

    def state(self, grant: Grant) -> SlotState:
        """The state of a grant's slot: FREE when the grant is over, whoever has the slot now."""
        held = self._held.get(grant.slot)
        return held.state if held is not None and held.generation == grant.generation else SlotState.FREE

    def request(self, holder: Holder) -> asyncio.Future[Grant]:
        """Ask for a slot. The result is in state FILLING; whoever cancels the future too late must release it."""
        future: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self._waiting.append((holder, future))
        self.serve()
        return future

    def filled(self, grant: Grant) -> None:
        """The media worker is done with the slot."""
        self._move(grant, SlotState.FILLING, SlotState.READY)

    def reading(self, grant: Grant) -> None:
        """The engine may read the slot from now on."""
        self._move(grant, SlotState.READY, SlotState.READING)

    def ready(self, grant: Grant) -> None:
        """The engine doesn't read the slot any more, and what it holds will be needed again."""
        self._move(grant, SlotState.READING, SlotState.READY)

    def release(self, grant: Grant) -> None:
        """Give a slot back, from any state, once. Only when no process can touch it any more."""
        held = self._held.get(grant.slot)
        if held is None or held.generation != grant.generation:
            raise ValueError(f"slot {grant.slot} is not held under generation {grant.generation}")
        del self._held[grant.slot]
        heapq.heappush(self._free, grant.slot)
        self._count(held.holder, -1)
        self.serve()

    def serve(self) -> None:
        """Grant what can be granted now; called again when a holder is no longer backlogged."""
        self._waiting = [(holder, future) for holder, future in self._waiting if not future.done()]
        while self._free and (place := self._next()) is not None:
            holder, future = self._waiting.pop(place)
            slot = heapq.heappop(self._free)
            grant = Grant(slot, next(self._generations))
            self._held[slot] = _Held(holder, grant.generation, SlotState.FILLING)
            self._count(holder, 1)
            future.set_result(grant)

    def _next(self) -> int | None:
        """The place in the queue of whoever gets the next free slot."""
        contenders = self._counts.keys() | {holder for holder, _ in self._waiting}
        if len(contenders) == 1 and len(self._free) == 1:
            return None
        shares = self._shares(contenders)

        def held(place: int) -> tuple[int, int, int]:
            holder, _ = self._waiting[place]
            return self._of_tenants[holder.party.tenant], self._of_parties[holder.party], self._counts[holder]

        eligible = (
            place
            for place, (holder, _) in enumerate(self._waiting)
            if not holder.backlogged and self._counts[holder] < shares[holder.party]
        )
        return min(eligible, key=held, default=None)

    def _shares(self, contenders: Set[Holder]) -> dict[Party, int]:
        """How many slots a file of each party may have."""
        files = Counter(holder.party for holder in contenders)
        parties = Counter(party.tenant for party in files)
        return {
            party: max(GUARANTEED, self.slots // (len(parties) * parties[party.tenant] * count))
            for party, count in files.items()
        }

    def _count(self, holder: Holder, change: int) -> None:
        _add(self._counts, holder, change)
        _add(self._of_parties, holder.party, change)
        _add(self._of_tenants, holder.party.tenant, change)

    def _move(self, grant: Grant, before: SlotState, after: SlotState) -> None:
        if self.state(grant) is not before:
            raise ValueError(f"slot {grant.slot} is {self.state(grant).name}, not {before.name}")
        self._held[grant.slot].state = after


def _add(counts: Counter[Name], name: Name, change: int) -> None:
    counts[name] += change
    if not counts[name]:
        del counts[name]
