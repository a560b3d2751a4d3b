"""Blame: whatever dies with whatever, only the segments that kill are condemned, and nothing else is lost."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.messages import DecodeOptions, ModelSpec
from batchscribe_server.transcriber.blame import Batch, judge, suspect
from batchscribe_server.transcriber.segment import QueuedSegment
from batchscribe_server.transcriber.slots import Grant

MODEL, OPTIONS = ModelSpec("base", "/base"), DecodeOptions()


def batch(*numbers: int, **changes: Any) -> Batch:
    segments = (QueuedSegment(n, None, n, Grant(n, n), 0, 16_000, MODEL, OPTIONS) for n in numbers)  # type: ignore[arg-type]
    return Batch(tuple(segments), **changes)


def numbers(batches: tuple[Batch, ...]) -> list[list[int]]:
    return [[segment.segment_id for segment in one.segments] for one in batches]


def test_what_was_not_started_goes_again_as_it_was():
    verdict = judge(started=[batch(1, 2, 3)], unstarted=[batch(4, 5)], max_deaths=3)

    assert numbers(verdict.retried) == [[1, 2], [3], [4, 5]]
    assert [one.solo for one in verdict.retried] == [True, True, False]
    assert verdict.condemned == ()


def test_a_segment_that_died_beside_another_batch_is_not_charged():
    verdict = judge(started=[batch(1), batch(2)], unstarted=[], max_deaths=1)

    assert numbers(verdict.retried) == [[1], [2]]
    assert [(one.solo, one.deaths) for one in verdict.retried] == [(True, 0), (True, 0)]


def test_a_segment_alone_is_charged_and_condemned_at_the_limit():
    once = judge(started=[batch(1)], unstarted=[], max_deaths=2)
    twice = judge(started=once.retried, unstarted=[], max_deaths=2)

    assert [(one.solo, one.deaths) for one in once.retried] == [(True, 1)]
    assert twice.retried == ()
    assert [segment.segment_id for segment in twice.condemned] == [1]


def test_an_engine_that_dies_before_it_starts_anything_is_charged_to_the_next_batch():
    first = judge(started=[], unstarted=[batch(1, 2), batch(3)], max_deaths=2)
    second = judge(started=[], unstarted=first.retried[:1], max_deaths=2)

    assert numbers(first.retried) == [[1, 2], [3]]
    assert [one.solo for one in first.retried] == [True, False]
    assert [segment.segment_id for segment in second.condemned] == [1, 2]


def test_an_idle_engine_that_dies_is_nobodys_fault():
    assert judge(started=[], unstarted=[], max_deaths=3).retried == ()


@given(st.integers(1, 8))
def test_a_batch_that_fails_is_halved_without_loss(size):
    verdict = suspect(batch(*range(size)), 3, certain=True)

    assert [n for one in numbers(verdict.retried) for n in one] == list(range(size))
    assert len(verdict.retried) == min(2, size)


@given(
    sizes=st.lists(st.integers(1, 8), min_size=1, max_size=6),
    poison=st.sets(st.integers(0, 47), max_size=4),
    concurrency=st.integers(1, 3),
    max_deaths=st.integers(1, 3),
)
def test_only_poison_is_condemned_and_all_else_is_done_once(sizes, poison, concurrency, max_deaths):
    """A simulated engine that starts up to `concurrency` batches, holds one more, and dies of poison."""
    waiting: deque[Batch] = deque()
    count = 0
    for size in sizes:
        waiting.append(batch(*range(count, count + size)))
        count += size
    done: list[int] = []
    condemned: list[int] = []
    deaths = 0

    while waiting:
        given_to_it = [waiting.popleft()]
        while waiting and not given_to_it[0].solo and not waiting[0].solo and len(given_to_it) <= concurrency:
            given_to_it.append(waiting.popleft())
        started, rest = given_to_it[:concurrency], given_to_it[concurrency:]
        if any({s.segment_id for s in one.segments} & poison for one in started):
            deaths += 1
            verdict = judge(started, rest, max_deaths)
            waiting = deque((*verdict.retried, *waiting))
            condemned += [segment.segment_id for segment in verdict.condemned]
        else:
            done += [s.segment_id for one in started for s in one.segments]
            waiting.extendleft(reversed(rest))

    assert sorted(condemned) == sorted(poison & set(range(count)))
    assert sorted(done) == sorted(set(range(count)) - poison)
    # Whole beside others, whole or a half alone, a quarter, a half of that; then alone.
    assert deaths <= len(condemned) * (4 + max_deaths)
