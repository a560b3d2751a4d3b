"""What fits on a device, learned: halved when memory runs out, grown slowly, never past the most."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.inference.appetite import SUCCESSES_TO_GROW, Appetite


def feed(appetite: Appetite, padded_s: float, times: int = SUCCESSES_TO_GROW) -> None:
    for _ in range(times):
        appetite.took(padded_s)


def test_it_begins_with_the_most() -> None:
    appetite = Appetite(480.0)
    assert appetite.allows(480.0)
    assert not appetite.allows(480.1)


def test_half_of_what_did_not_fit_is_tried_next() -> None:
    appetite = Appetite(480.0)
    appetite.refused(300.0)
    assert appetite.limit_s == 150.0


def test_batches_that_fail_side_by_side_halve_it_once() -> None:
    appetite = Appetite(480.0)
    for _ in range(3):
        appetite.refused(480.0)
    assert appetite.limit_s == 240.0


def test_it_grows_after_many_successes_in_a_row() -> None:
    appetite = Appetite(480.0)
    appetite.refused(480.0)
    feed(appetite, 240.0, SUCCESSES_TO_GROW - 1)
    assert appetite.limit_s == 240.0
    feed(appetite, 240.0, 1)
    assert appetite.limit_s == 270.0
    feed(appetite, 270.0, SUCCESSES_TO_GROW - 1)
    appetite.refused(270.0)
    feed(appetite, 135.0, 1)
    assert appetite.limit_s == 135.0


def test_small_batches_prove_nothing() -> None:
    appetite = Appetite(480.0)
    appetite.refused(480.0)
    feed(appetite, 119.0, 100 * SUCCESSES_TO_GROW)
    assert appetite.limit_s == 240.0


def test_it_grows_back_to_the_most_and_no_further() -> None:
    appetite = Appetite(480.0)
    appetite.refused(480.0)
    for _ in range(20):
        feed(appetite, appetite.limit_s)
    assert appetite.limit_s == 480.0


@given(room_s=st.floats(1.0, 1000.0), most_s=st.floats(1.0, 1000.0))
def test_it_settles_where_nearly_every_batch_fits(room_s: float, most_s: float) -> None:
    appetite = Appetite(most_s)
    refusals = []
    for batch in range(40 * SUCCESSES_TO_GROW):
        padded_s = appetite.limit_s
        if padded_s > room_s:
            appetite.refused(padded_s)
            refusals.append(batch)
        else:
            appetite.took(padded_s)
        assert 0 < appetite.limit_s <= most_s
    settled = [second - first for first, second in pairwise(refusals) if second - first > 1]
    assert all(between > SUCCESSES_TO_GROW for between in settled)
    if room_s >= most_s:
        assert not refusals
