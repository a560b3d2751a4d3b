"""The places of the jobs that a server runs: those that are heard, and those that wait for a store.

    claimed --begin--> FETCHING --> HEARD --> WRITING --end-->
                       its file     by media  its outputs
                                    workers
                                    and engine

Only `max_heard` jobs are heard at once; a job waits for its place with its file at hand. The others take no place of
those whose files are there, for a bucket may keep them for minutes. How many fetch or write is bounded by what is
claimed (see `store.shares`), where none gets all of `max_transferring`. URLs get half of it at most: a web server that
anybody may name can keep its place for a minute without sending anything. Nobody waits for a place to write, so that no
two jobs can wait for each other.

When a server dies, each job that was HEARD and had got nowhere yet may have killed it: its attempt counts as stalled.
So that the next attempts are held against one job alone, a suspect (a job with a stalled attempt) is not HEARD together
with any other that has got nowhere yet. It goes first, and once it has got further the others follow.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto

from batchscribe_server.domain.party import Party
from batchscribe_server.domain.replica import NO_CAPACITY, Capacity
from batchscribe_server.operations.run_store import ServerLoad


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """`max_heard` jobs are heard at once; of `max_transferring` each batch that fetches leaves some to others.

    One in `newcomers_share` of the places where jobs are heard is kept for batches of which none is heard (a tenant's
    single files count as one), so that they needn't wait until a long recording ends.
    """

    max_heard: int
    max_transferring: int
    newcomers_share: int = 8

    @property
    def kept_for_newcomers(self) -> int:
        """The places that only newcomers get."""
        return self.max_heard // self.newcomers_share

    @property
    def max_urls(self) -> int:
        """How many URLs are fetched at once."""
        return max(1, self.max_transferring // 2)


class Stage(Enum):
    """Where a run is."""

    FETCHING = auto()
    HEARD = auto()
    WRITING = auto()


class Places:
    """Who is where. `changed` is set whenever more may be claimed than before; belongs to one event loop.

    A place where jobs are heard goes to the tenant that has fewest of them, then to its batch that has fewest, then to
    the job that has waited longest.
    """

    def __init__(self, limits: PlaceLimits) -> None:
        self._limits = limits
        self._counts: defaultdict[Stage, Counter[Party]] = defaultdict(Counter)
        self._ready: list[_Ready] = []
        self._nowhere: Counter[bool] = Counter()  # of those HEARD that have got nowhere yet: suspects, and others
        self._urls = 0  # of those FETCHING
        self._elsewhere = NO_CAPACITY
        self.changed = asyncio.Event()

    @property
    def wanted(self) -> int:
        """How many more files would be heard at once if they were there now; those kept for newcomers left out."""
        taken = self._counts[Stage.HEARD].total() + len(self._ready)
        return max(0, self._limits.max_heard - self._limits.kept_for_newcomers - taken)

    @property
    def newcomers_wanted(self) -> int:
        """How many more may be claimed at a time for batches that fetch nothing: each is to have one file on its way.

        Never one alone: that a lone batch comes for its next file would not tell whether another waits.
        """
        return max(2, self._limits.kept_for_newcomers)

    @property
    def may_fetch(self) -> bool:
        """Whether anybody may have one more file fetched."""
        return self._counts[Stage.FETCHING].total() < self._limits.max_transferring

    def load(self) -> ServerLoad:
        """Who is where now."""
        return ServerLoad(
            self._limits.max_transferring,
            fetching=dict(self._counts[Stage.FETCHING]),
            writing=dict(self._counts[Stage.WRITING]),
            heard=dict(self._counts[Stage.HEARD]),
            capacity=self._limits.max_heard,
            elsewhere=self._elsewhere,
            url_places=max(0, self._limits.max_urls - self._urls),
        )

    def share_with(self, elsewhere: Capacity) -> None:
        """The other servers that have room hear so many files at once: what is claimed is shared with them."""
        if elsewhere != self._elsewhere:
            self.changed.set()
        self._elsewhere = elsewhere

    def begin(
        self,
        party: Party,
        begin_hearing: Callable[[], Awaitable[None]],
        priority: int = 0,
        *,
        suspect: bool = False,
        is_url: bool = False,
    ) -> Place:
        """Of a job that was claimed; `begin_hearing` is awaited once it is its turn to be heard."""
        self.move(party, None, Stage.FETCHING, is_url=is_url)
        return Place(self, party, begin_hearing, priority, suspect=suspect, is_url=is_url)

    async def turn(self, party: Party, *, suspect: bool = False, is_url: bool = False) -> None:
        """Wait for a place where the job is heard. It is HEARD afterwards, with `progressed` to follow, and FETCHING
        until then.
        """
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.append(_Ready(party, suspect, is_url, place))
        self._serve()
        try:
            await place
        except BaseException:
            if place.done() and not place.cancelled():  # it was given the place before it was cancelled
                self.progressed(suspect=suspect)
                self.move(party, Stage.HEARD, Stage.FETCHING, is_url=is_url)
            else:  # others may have waited for a suspect
                place.cancel()
                self._serve()
            raise

    def progressed(self, *, suspect: bool) -> None:
        """A job that is HEARD has got further than where it began, or is not HEARD any more."""
        self._nowhere[suspect] -= 1
        self._serve()

    def move(self, party: Party, before: Stage | None, after: Stage | None, *, is_url: bool = False) -> None:
        """Count a job elsewhere; with no stage it is only beginning, or has ended."""
        self._urls += is_url * ((after is Stage.FETCHING) - (before is Stage.FETCHING))
        if before is not None:
            if before is not Stage.WRITING or self._held_back_by_writing():
                self.changed.set()
            self._counts[before][party] -= 1
            if not self._counts[before][party]:
                del self._counts[before][party]
        if after is not None:
            self._counts[after][party] += 1
        if before is Stage.HEARD:
            self._serve()

    def _held_back_by_writing(self) -> bool:
        load = self.load()
        return any(map(load.held_back_by_writing, load.writing))

    def _serve(self) -> None:
        self._ready = [ready for ready in self._ready if not ready.place.done()]
        while (first := self._next()) is not None:
            ready = self._ready.pop(first)
            self._nowhere[ready.suspect] += 1
            self.move(ready.party, Stage.FETCHING, Stage.HEARD, is_url=ready.is_url)
            ready.place.set_result(None)

    def _next(self) -> int | None:
        """The place in the line of whoever is heard next."""
        heard = self._counts[Stage.HEARD]
        free = self._limits.max_heard - heard.total()
        newcomers_only = free <= self._limits.kept_for_newcomers
        of_tenants: Counter[str] = Counter()
        for party, count in heard.items():
            of_tenants[party.tenant] += count

        def rank(index: int) -> tuple[bool, int, int]:
            ready = self._ready[index]
            return not ready.suspect, of_tenants[ready.party.tenant], heard[ready.party]

        able = (index for index, ready in enumerate(self._ready) if not (newcomers_only and heard[ready.party]))
        first = min(able, key=rank, default=None) if free > 0 else None
        if first is None or self._nowhere[True] or (self._ready[first].suspect and self._nowhere[False]):
            return None
        return first


@dataclass(frozen=True, slots=True, eq=False)
class _Ready:
    """A job that waits to be heard."""

    party: Party
    suspect: bool
    is_url: bool
    place: asyncio.Future[None]


class Place:
    """That of one run, from its claim to its end. `priority` is the one that its job has by now."""

    def __init__(
        self,
        places: Places,
        party: Party,
        begin_hearing: Callable[[], Awaitable[None]],
        priority: int,
        *,
        suspect: bool = False,
        is_url: bool = False,
    ) -> None:
        self.priority = priority
        self._places = places
        self._party = party
        self._begin_hearing = begin_hearing
        self._stage = Stage.FETCHING
        self._suspect = suspect
        self._is_url = is_url
        self._nowhere = False

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Be HEARD, once it is the job's turn, for as long as the context lasts; WRITING follows."""
        await self._places.turn(self._party, suspect=self._suspect, is_url=self._is_url)
        self._stage = Stage.HEARD
        self._nowhere = True
        try:
            await self._begin_hearing()
            yield
        finally:
            self._stage = Stage.WRITING
            self.progressed()
            self._places.move(self._party, Stage.HEARD, Stage.WRITING)

    def progressed(self) -> None:
        """The job has got further than where it began."""
        if self._nowhere:
            self._nowhere = False
            self._places.progressed(suspect=self._suspect)

    def write(self) -> None:
        """Be WRITING at once: all was heard by an earlier run."""
        self._places.move(self._party, self._stage, Stage.WRITING, is_url=self._is_url)
        self._stage = Stage.WRITING

    def end(self) -> None:
        """The run is over."""
        self._places.move(self._party, self._stage, None, is_url=self._is_url)
