"""Which batch is to blame when the engine dies: a pure decision that finds the one segment that kills it.

Only batches that were started can have killed the engine; the others go again as they are. The suspects go again in
halves, each alone in the engine (`solo`), so that from then on a death has one suspect. A segment that is alone in a
solo batch and has killed the engine `max_deaths` times is condemned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from batchscribe_server.transcriber.segment import QueuedSegment
from batchscribe_server.transcriber.slots import Grant


@dataclass(frozen=True, slots=True)
class Batch:
    """Segments that go to the engine together; `solo` ones share it with no other batch.

    `deaths` counts how often it died (or failed) for certain of its one segment; `early_deaths` how often it died
    while this was the next batch to start: loading the model kills, too. `failed_in` is the engine in which it last did
    either: another one is to try it next, for it may be the device that is broken.
    """

    segments: tuple[QueuedSegment, ...]
    solo: bool = False
    deaths: int = 0
    early_deaths: int = 0
    failed_in: int | None = None

    @property
    def grants(self) -> Iterator[Grant]:
        """The slots that its segments lie in."""
        return (grant for segment in self.segments for grant in segment.grants)

    def keeping(self, which: Callable[[QueuedSegment], bool]) -> Batch:
        """The batch without the segments of which `which` is false; it may be empty."""
        return replace(self, segments=tuple(segment for segment in self.segments if which(segment)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What goes again, suspects first, and which segments don't."""

    retried: tuple[Batch, ...] = ()
    condemned: tuple[QueuedSegment, ...] = ()

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(self.retried + other.retried, self.condemned + other.condemned)


def judge(started: Sequence[Batch], unstarted: Sequence[Batch], max_deaths: int) -> Verdict:
    """The engine is dead; `started` are the suspects, `unstarted` the rest of what it had, in order."""
    verdict = Verdict()
    for batch in started:
        verdict += suspect(batch, max_deaths, certain=len(started) == 1)
    rest = list(unstarted)
    if not started and rest:
        verdict += _next_to_start(rest.pop(0), max_deaths)
    return verdict + Verdict(retried=tuple(rest))


def suspect(batch: Batch, max_deaths: int, *, certain: bool) -> Verdict:
    """A batch that may have killed the engine, or could not be run: `certain` when no other one can be the cause."""
    if len(batch.segments) > 1:
        middle = (len(batch.segments) + 1) // 2
        halves = batch.segments[:middle], batch.segments[middle:]
        return Verdict(retried=tuple(Batch(half, solo=True) for half in halves))
    deaths = batch.deaths + certain
    if deaths >= max_deaths:
        return Verdict(condemned=batch.segments)
    return Verdict(retried=(replace(batch, solo=True, deaths=deaths),))


def _next_to_start(batch: Batch, max_deaths: int) -> Verdict:
    early_deaths = batch.early_deaths + 1
    if early_deaths >= max_deaths:
        return Verdict(condemned=batch.segments)
    return Verdict(retried=(replace(batch, solo=True, early_deaths=early_deaths),))
