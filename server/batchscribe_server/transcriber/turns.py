"""Whose turn it is among tenants, among a tenant's batches, and among a batch's files.

Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queueing: A Scheduling Algorithm for Integrated Services
Packet Switching Networks", SIGCOMM 1996) at each level of the tree, as that paper has it for hierarchical sharing of a
link. Each party carries a start tag: what it has been served so far, in the unit of the costs. The one with the lowest
tag is next, and being served raises its tag by the cost. Counting turns instead would give a tenant with segments of
15 s twice what one with segments of 7 s gets.

A party that comes to wait starts at the virtual time of its siblings: it neither claims what it left unused before nor
queues up behind the backlog of the others. Virtual time is here that of the ideal fluid server, in which all who wait
are served at once: it advances by the cost served over the number of those who wait, and at least to the lowest tag. It
goes on, therefore, also when nobody but newcomers is served, and whoever waits is reached in the end.

Priority ranks the work of one tenant and moves no other tenant's: the tree's second level. A priority counts as one
higher for every `AGING_S` that the oldest of its work has waited.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from batchscribe_server.domain.party import Party

AGING_S = 30.0

_PRIORITY = 1
_FILE = 4

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[Item]):
    """Something that waits for its turn since `since_s`. `path` leads to its file through the tree."""

    key: int
    item: Item
    path: tuple[str, int, str, Hashable]
    cost: float
    since_s: float


@dataclass(slots=True, eq=False)
class _Node(Generic[Item]):
    """All that waits of a party, oldest first, by its parts. A node is in the tree exactly while something waits."""

    start: float = 0.0
    order: int = 0
    waiting: dict[int, Waiting[Item]] = field(default_factory=dict)
    parts: dict[Hashable, _Node[Item]] = field(default_factory=dict)
    # Among its parts: their virtual time, and the tags of those which have left with more than it.
    virtual: float = 0.0
    ahead: dict[Hashable, float] = field(default_factory=dict)

    def rank(self, now_s: float) -> tuple[int, int]:
        """Of work of one priority: the priority it has by now, and the one it came with."""
        oldest = next(iter(self.waiting.values()))
        _, priority, _, _ = oldest.path
        return priority + int((now_s - oldest.since_s) / AGING_S), priority


class Turns(Generic[Item]):
    """What waits, in fair order. Keys are unique; times are those of one monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._root: _Node[Item] = _Node()
        self._orders = itertools.count()

    def __len__(self) -> int:
        return len(self._root.waiting)

    def __iter__(self) -> Iterator[Waiting[Item]]:
        """All that waits, oldest first."""
        return iter(self._root.waiting.values())

    def add(
        self, key: int, item: Item, party: Party, *, file: Hashable, priority: int, cost: float, since_s: float
    ) -> None:
        """Let something wait. Raises ValueError when the key waits already."""
        if key in self._root.waiting:
            raise ValueError(f"{key} is queued already")
        waiting = Waiting(key, item, (party.tenant, priority, party.batch_id, file), cost, since_s)
        node = self._root
        node.waiting[key] = waiting
        for name in waiting.path:
            part = node.parts.get(name)
            if part is None:
                part = _Node(max(node.virtual, node.ahead.pop(name, 0.0)), next(self._orders))
                node.parts[name] = part
            part.waiting[key] = waiting
            node = part

    def move(self, key: int, priority: int, now_s: float) -> None:
        """Give what waits another priority. There it waits from now on."""
        waiting = self._root.waiting[key]
        self.remove(key)
        tenant, _, batch_id, file = waiting.path
        party = Party(tenant, batch_id)
        self.add(key, waiting.item, party, file=file, priority=priority, cost=waiting.cost, since_s=now_s)

    def in_turn(
        self, now_s: float, which: Callable[[Item], bool] = lambda _: True, lead: float | None = None
    ) -> Iterator[Waiting[Item]]:
        """What waits and `which` is true of, in the order in which it would be served.

        With `lead` a party is left out where it would be further ahead than that of another one that waits, at any
        level. To be consumed before anything else is done here.
        """
        return _in_turn(self._root, 0, now_s, which, lead)

    def serve(self, keys: Iterable[int], unpaid: frozenset[int] = frozenset()) -> None:
        """Take things out as served, the one whose turn it was first. The `unpaid` ones are charged to nobody."""
        for number, key in enumerate(keys):
            waiting = self._root.waiting[key]
            if key not in unpaid:
                self._charge(waiting, first=number == 0)
            self.remove(key)

    def remove(self, key: int) -> None:
        """Take something out unserved."""
        waiting = self._root.waiting.pop(key)
        node = self._root
        for name in waiting.path:
            part = node.parts[name]
            del part.waiting[key]
            if not part.waiting:
                del node.parts[name]
                if part.start > node.virtual:
                    node.ahead[name] = part.start
                break
            node = part
        if not self._root.waiting:
            self._root = _Node()

    def _charge(self, waiting: Waiting[Item], *, first: bool) -> None:
        node = self._root
        for name in waiting.path:
            part = node.parts[name]
            if first:
                node.virtual = max(node.virtual, part.start)
                node.ahead = {name: start for name, start in node.ahead.items() if start > node.virtual}
            node.virtual += waiting.cost / len(node.parts)
            part.start += waiting.cost
            node = part


def _in_turn(
    node: _Node[Item], level: int, now_s: float, which: Callable[[Item], bool], lead: float | None
) -> Iterator[Waiting[Item]]:
    if level == _FILE:
        yield from (waiting for waiting in node.waiting.values() if which(waiting.item))
    elif level == _PRIORITY:
        for part in sorted(node.parts.values(), key=lambda part: part.rank(now_s), reverse=True):
            yield from _in_turn(part, level + 1, now_s, which, lead)
    else:
        yield from _merged(node, level, now_s, which, lead)


def _merged(
    node: _Node[Item], level: int, now_s: float, which: Callable[[Item], bool], lead: float | None
) -> Iterator[Waiting[Item]]:
    """What waits of all parts, each time of the one with the lowest tag, which rises by what it gave."""
    heap = [(part.start, part.order, part) for part in node.parts.values()]
    heapq.heapify(heap)
    lowest, second = heap[0][1], min((start for start, _, _ in heap[1:3]), default=math.inf)
    latest = math.inf if lead is None else heap[0][0] + lead
    latest_of_lowest = math.inf if lead is None else second + lead
    begun: dict[int, Iterator[Waiting[Item]]] = {}
    while heap:
        start, order, part = heap[0]
        waiting = None
        if start <= (latest_of_lowest if order == lowest else latest):
            if order not in begun:
                begun[order] = _in_turn(part, level + 1, now_s, which, lead)
            waiting = next(begun[order], None)
        if waiting is None:
            heapq.heappop(heap)
        else:
            yield waiting
            heapq.heapreplace(heap, (start + waiting.cost, order, part))
