"""The law of the batcher: nothing lost, nothing doubled, batches alike, nobody passed over for ever."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from batchscribe_engine.messages import SAMPLE_RATE_HZ, DecodeOptions, ModelSpec, SegmentResult
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.party import Party
from batchscribe_server.transcriber.batcher import Batcher, BatchLimits
from batchscribe_server.transcriber.segment import QueuedSegment, padded_s
from batchscribe_server.transcriber.slots import Grant
from batchscribe_server.transcriber.turns import AGING_S

BASE, LARGE = ModelSpec("base", "/base"), ModelSpec("large", "/large")
GREEDY, BEAM = DecodeOptions(), DecodeOptions(beam_size=5)


@dataclass(eq=False)
class File:
    """An owner that only keeps what it is given."""

    name: str = ""
    wanted: bool = True
    results: list[SegmentResult] = field(default_factory=list)

    def heard(self, segment: QueuedSegment, result: SegmentResult) -> None:
        self.results.append(result)

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        self.wanted = False


def segment(number: int, owner: File, length_s: float = 4.0, **changes: Any) -> QueuedSegment:
    known: dict[str, Any] = {"model": BASE, "options": GREEDY, "language": "en"} | changes
    return QueuedSegment(number, owner, number, Grant(number, number), 0, int(length_s * SAMPLE_RATE_HZ), **known)


def batcher(**limits: Any) -> Batcher:
    return Batcher(BatchLimits(**limits))


def ids(batch: tuple[QueuedSegment, ...]) -> list[int]:
    return [one.segment_id for one in batch]


def test_a_lone_segment_goes_at_once_when_the_engine_is_idle():
    waiting, file = batcher(max_wait_s=0.2), File()
    waiting.add(segment(1, file), now_s=10.0)

    assert ids(waiting.take(10.0, idle=True)) == [1]


def test_each_engine_gets_batches_of_its_own_size_by_what_the_first_segment_needs():
    waiting, file = batcher(max_segments=8), File()
    for number in range(1, 9):
        waiting.add(segment(number, file, model=LARGE if number > 5 else BASE), now_s=10.0)
    small, large = BatchLimits(max_segments=2), BatchLimits(max_padded_s=12.0)

    def limits_for(first: QueuedSegment) -> BatchLimits:
        return large if first.model == LARGE else small

    taken = [waiting.take(10.0, idle=True, limits_for=limits_for) for _ in range(4)]

    assert [ids(batch) for batch in taken] == [[1, 2], [3, 4], [5], [6, 7, 8]]


def test_a_lone_segment_waits_a_moment_for_company_while_the_engine_is_busy():
    waiting, file = batcher(max_wait_s=0.2), File()
    waiting.add(segment(1, file), now_s=10.0)

    assert waiting.take(10.1, idle=False) == ()
    assert waiting.due_in_s(10.1) == pytest.approx(0.1)
    assert ids(waiting.take(10.2, idle=False)) == [1]
    assert waiting.due_in_s(10.2) is None


def test_a_full_batch_does_not_wait():
    waiting, file = batcher(max_segments=3, max_wait_s=0.2), File()
    for number in range(4):
        waiting.add(segment(number, file), now_s=10.0)

    assert ids(waiting.take(10.0, idle=False)) == [0, 1, 2]
    assert waiting.take(10.0, idle=False) == ()


def test_a_segment_due_is_not_held_up_by_one_whose_turn_comes_first():
    """Whose turn it is and who has waited longest may differ; a batch is due when anyone has waited enough."""
    waiting, one, two = batcher(max_segments=1, max_wait_s=0.2), File(), File()
    waiting.add(segment(1, one), now_s=0.0)
    waiting.add(segment(2, one), now_s=0.0)
    waiting.take(0.0, idle=True)
    waiting.add(segment(3, two, priority=1), now_s=10.0)

    assert ids(waiting.take(10.0, idle=False)) == [3]


def test_the_padded_length_of_a_batch_is_bounded():
    waiting, file = batcher(max_padded_s=100.0), File()
    for number in range(6):
        waiting.add(segment(number, file, length_s=30.0), now_s=0.0)

    assert [ids(waiting.take(0.0, idle=True)) for _ in range(2)] == [[0, 1, 2], [3, 4, 5]]


def test_what_waits_goes_by_the_priority_that_it_has_by_now_and_by_its_place_in_the_file():
    waiting, one, two = batcher(max_segments=1), File("one"), File("two")
    for number in (1, 2):
        waiting.add(segment(number, one, party=Party(batch_id="one")), now_s=0.0)
    for number in (3, 4):
        waiting.add(segment(number, two, party=Party(batch_id="two")), now_s=0.0)
    waiting.move(lambda segment: segment.owner is two, 1, now_s=1.0)

    assert [ids(waiting.take(1.0, idle=True)) for _ in range(3)] == [[3], [4], [1]]


def test_a_priority_that_was_given_later_rises_with_the_time_from_then_on():
    waiting, one, two = batcher(max_segments=1), File("one"), File("two")
    waiting.add(segment(1, one), now_s=0.0)
    waiting.move(lambda segment: True, -1, now_s=AGING_S)
    waiting.add(segment(2, two), now_s=AGING_S)
    waiting.add(segment(3, two), now_s=AGING_S)

    assert ids(waiting.take(AGING_S, idle=True)) == [2]
    waiting.add(segment(4, two, priority=1), now_s=2.5 * AGING_S)
    assert [ids(waiting.take(2.5 * AGING_S, idle=True)) for _ in range(3)] == [[4], [3], [1]]


def test_a_batch_takes_from_files_in_turn():
    waiting, long, short = batcher(max_segments=4), File("long"), File("short")
    for number in range(10):
        waiting.add(segment(number, long), now_s=0.0)
    for number in range(10, 12):
        waiting.add(segment(number, short), now_s=0.0)

    assert ids(waiting.take(0.0, idle=True)) == [0, 10, 1, 11]


def test_keys_take_turns_however_many_files_one_of_them_has():
    waiting = batcher(max_segments=1)
    for number in range(20):
        waiting.add(segment(number, File(), party=Party(batch_id="many")), now_s=0.0)
    few = File()
    for number in (100, 101):
        waiting.add(segment(number, few, party=Party(batch_id="few")), now_s=0.0)

    assert [ids(waiting.take(0.0, idle=True))[0] for _ in range(5)] == [0, 100, 1, 101, 2]


def test_newcomers_do_not_pass_a_file_that_waits():
    """One long file among an endless row of short ones gets every second turn at worst, not none."""
    waiting, long = batcher(max_segments=1), File("long")
    for number in range(5):
        waiting.add(segment(number, long, party=Party(batch_id="tenant")), now_s=0.0)

    served = []
    for number in range(100, 120):
        waiting.add(segment(number, File(), party=Party(batch_id="tenant")), now_s=0.0)
        served += ids(waiting.take(0.0, idle=True))

    assert [number for number in served if number < 100] == [0, 1, 2, 3, 4]


def test_turns_are_measured_in_seconds_not_in_segments():
    waiting = batcher(max_segments=1)
    for number in range(40):
        waiting.add(segment(number, File(), length_s=15.0, party=Party("long")), now_s=0.0)
        waiting.add(segment(100 + number, File(), length_s=5.0, party=Party("short")), now_s=0.0)

    served = [ids(waiting.take(0.0, idle=True))[0] for _ in range(40)]
    assert sum(number < 100 for number in served) == 10


def test_a_lone_file_is_in_the_next_batch_whatever_a_large_batch_has_waiting():
    waiting = batcher(max_segments=4)
    for number in range(200):
        waiting.add(segment(number, File(), party=Party("tenant", "large")), now_s=0.0)
    for _ in range(5):
        waiting.take(0.0, idle=True)
    waiting.add(segment(1000, File(), party=Party("tenant")), now_s=0.0)
    waiting.add(segment(2000, File(), party=Party("another", "batch")), now_s=0.0)

    batches = [ids(waiting.take(0.0, idle=True)) for _ in range(2)]
    assert {1000, 2000} <= {number for batch in batches for number in batch}


def test_a_tenant_that_comes_back_does_not_claim_what_it_left_unused():
    waiting, busy, idle = batcher(max_segments=1), File(), File()
    waiting.add(segment(1000, idle, party=Party("idle")), now_s=0.0)
    for number in range(60):
        waiting.add(segment(number, busy, party=Party("busy")), now_s=0.0)
    for _ in range(31):
        waiting.take(0.0, idle=True)
    for number in range(1001, 1021):
        waiting.add(segment(number, idle, party=Party("idle")), now_s=0.0)

    served = [ids(waiting.take(0.0, idle=True))[0] for _ in range(20)]
    assert sum(number >= 1000 for number in served) == 10


def test_a_tenants_priority_moves_no_other_tenant():
    waiting = batcher(max_segments=1)
    for number in range(10):
        waiting.add(segment(number, File(), party=Party("urgent"), priority=100), now_s=0.0)
        waiting.add(segment(100 + number, File(), party=Party("plain")), now_s=0.0)

    assert sum(ids(waiting.take(0.0, idle=True))[0] < 100 for _ in range(10)) == 5


def test_age_lifts_a_priority_and_not_one_segment_before_others_of_the_same():
    """Where the engine is slow all wait for long: a newcomer must not stand behind all that are older."""
    waiting = batcher(max_segments=1)
    for number in range(20):
        waiting.add(segment(number, File(), party=Party("tenant", "large")), now_s=0.0)
    waiting.add(segment(100, File(), party=Party("tenant")), now_s=10 * AGING_S)

    assert 100 in [ids(waiting.take(10 * AGING_S, idle=True))[0] for _ in range(2)]


def test_neighbours_in_length_share_a_batch_wherever_they_lie():
    waiting, file = batcher(), File()
    for number in range(16):
        waiting.add(segment(number, file, length_s=4.6 + 0.05 * number), now_s=0.0)

    assert ids(waiting.take(0.0, idle=True)) == list(range(16))


def test_of_many_that_wait_those_of_like_length_go_together():
    waiting = batcher(max_segments=4)
    for number in range(16):
        waiting.add(segment(number, File(), length_s=(2.0, 10.0)[number % 2]), now_s=0.0)

    batches = [ids(waiting.take(0.0, idle=True)) for _ in range(4)]
    assert sorted(batches) == [[0, 2, 4, 6], [1, 3, 5, 7], [8, 10, 12, 14], [9, 11, 13, 15]]


def test_a_short_segment_is_not_padded_to_a_long_one_where_a_batch_of_its_own_is_cheaper():
    waiting = batcher()
    waiting.add(segment(1, File(), length_s=1.0), now_s=0.0)
    waiting.add(segment(2, File(), length_s=28.0), now_s=0.0)

    assert [ids(waiting.take(0.0, idle=True)) for _ in range(2)] == [[1], [2]]


def test_rows_that_those_whose_turn_is_near_cannot_fill_are_given_away_uncharged():
    """A tenant that is ahead as far as it may be fills the rows of one that has little, and is no further ahead."""
    waiting, many, few = batcher(max_segments=4, max_padded_s=16.0), Party("many"), Party("few")
    for number in range(100):
        waiting.add(segment(number, File(), party=many), now_s=0.0)
    for number in range(100, 120):
        waiting.add(segment(number, File(), party=few, model=LARGE), now_s=0.0)
    waiting.take(0.0, idle=True)
    waiting.add(segment(200, File(), party=few, priority=1), now_s=0.0)

    taken = [waiting.take(0.0, idle=True) for _ in range(3)]
    assert [[one.party.tenant for one in batch] for batch in taken] == [
        ["few", "many", "many", "many"],
        ["few", "few", "few", "few"],
        ["many", "many", "many", "many"],
    ]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.floats(1.0, 28.0), st.floats(0.0, 2.0)), min_size=2, max_size=4),
    st.integers(1, 16),
    st.randoms(use_true_random=False),
)
def test_backlogged_tenants_get_equal_shares_to_within_a_batchs_worth(tenants, max_segments, random):
    """The law of fair queueing: at no time has one been served more than another by more than a batch and a segment."""
    waiting = batcher(max_segments=max_segments)
    numbers = itertools.count()
    served_s = [0.0] * len(tenants)

    def add(tenant: int) -> None:
        shortest_s, spread_s = tenants[tenant]
        length_s = random.uniform(shortest_s, shortest_s + spread_s)
        waiting.add(segment(next(numbers), File(), length_s, party=Party(str(tenant))), now_s=0.0)

    for tenant in range(len(tenants)):
        for _ in range(20):
            add(tenant)
    for _ in range(60):
        for one in waiting.take(0.0, idle=True):
            served_s[int(one.party.tenant)] += one.length_s
            add(int(one.party.tenant))
        assert max(served_s) - min(served_s) <= BatchLimits().max_padded_s + 30.0


def test_a_higher_priority_goes_first_until_the_lower_one_has_aged():
    waiting, low = batcher(max_segments=1), File()
    waiting.add(segment(1, low, priority=0), now_s=0.0)
    waiting.add(segment(2, File(), priority=1), now_s=0.0)
    assert ids(waiting.take(0.0, idle=True)) == [2]

    aged_s = 2 * AGING_S
    waiting.add(segment(3, File(), priority=1), now_s=aged_s)
    assert ids(waiting.take(aged_s, idle=True)) == [1]


def test_a_segment_cannot_be_queued_twice():
    waiting, file = batcher(), File()
    waiting.add(segment(1, file), now_s=0.0)

    with pytest.raises(ValueError, match="queued already"):
        waiting.add(segment(1, file), now_s=0.0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(-2, 2)), min_size=1, max_size=60))
def test_every_segment_is_served_within_a_bounded_number_of_batches(queued):
    """However they are spread over files, keys and priorities: n segments take at most n batches, and aged ones of
    whatever priority come before newcomers.
    """
    waiting, files = batcher(max_segments=4), [File(str(n)) for n in range(6)]
    for number, (file, key, priority) in enumerate(queued):
        waiting.add(segment(number, files[file], party=Party(batch_id=str(key)), priority=priority), now_s=0.0)

    later_s, served = 10 * AGING_S, []
    for number in range(len(queued)):
        waiting.add(segment(1000 + number, File(), priority=2), now_s=later_s)
        served += ids(waiting.take(later_s, idle=True))

    assert set(range(len(queued))) <= set(served)


class AnyInterleaving(RuleBasedStateMachine):
    """Adds, takes, drops and the passing of time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = BatchLimits(max_segments=3, max_padded_s=40.0, max_wait_s=0.2)
        self.batcher = Batcher(self.limits)
        self.files = [File(str(number)) for number in range(4)]
        self.now_s = 0.0
        self.added: dict[int, QueuedSegment] = {}
        self.left: list[int] = []

    @rule(
        file=st.integers(0, 3),
        length_s=st.floats(0.1, 30.0),
        model=st.sampled_from([BASE, LARGE]),
        options=st.sampled_from([GREEDY, BEAM]),
        key=st.sampled_from(["a", "b"]),
        priority=st.integers(-1, 1),
    )
    def add(self, file, length_s, model, options, key, priority):
        new = segment(
            len(self.added),
            self.files[file],
            length_s,
            model=model,
            options=options,
            party=Party(batch_id=key),
            priority=priority,
        )
        self.added[new.segment_id] = new
        self.batcher.add(new, self.now_s)

    @rule(idle=st.booleans())
    def take(self, idle):
        waited = self.batcher.due_in_s(self.now_s) == 0.0
        batch = self.batcher.take(self.now_s, idle=idle)
        self.left += ids(batch)
        if len(self.left) < len(self.added) + len(batch) and (idle or waited):
            assert batch or not len(self.batcher)
        if batch:
            assert len({(one.model, one.options) for one in batch}) == 1
            assert len(batch) <= self.limits.max_segments
            assert padded_s(batch) <= self.limits.max_padded_s

    @rule(file=st.integers(0, 3))
    def drop(self, file):
        owner = self.files[file]
        dropped = self.batcher.drop(lambda one: one.owner is owner)
        assert all(one.owner is owner for one in dropped)
        self.left += [one.segment_id for one in dropped]

    @rule(file=st.integers(0, 3), priority=st.integers(-1, 1))
    def move(self, file, priority):
        owner = self.files[file]
        self.batcher.move(lambda one: one.owner is owner, priority, self.now_s)

    @rule(seconds=st.sampled_from([0.05, 0.2, 40.0]))
    def wait(self, seconds):
        self.now_s += seconds

    @invariant()
    def each_segment_waits_or_has_left_once(self):
        assert len(self.left) == len(set(self.left))
        assert len(self.batcher) == len(self.added) - len(self.left)

    def teardown(self):
        while batch := self.batcher.take(self.now_s, idle=True):
            self.left += ids(batch)
        assert sorted(self.left) == sorted(self.added)


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=60, stateful_step_count=40)
