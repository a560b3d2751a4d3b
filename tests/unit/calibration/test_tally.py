"""What is counted of trials."""

from __future__ import annotations

import math

import pytest

from batchscribe_engine.calibration.tally import Tally
from batchscribe_engine.calibration.trial import Trial


def trial(checked: str, raw: str | None = None, *, doubted: bool = False, cost_s: float = 1.0) -> Trial:
    return Trial(checked if raw is None else raw, checked, doubted, cost_s)


def test_errors_are_counted_over_whole_recordings_and_all_variants() -> None:
    tally = Tally(1.0)
    # A word that falls into the neighbouring segment is heard all the same.
    tally.add_segment([trial("one"), trial("one two")], [trial("one"), trial("one two")])
    tally.add_segment([trial("two three"), trial("tree")], [trial("two three"), trial("three")])
    tally.end_recording(["one two three", "one two three"])
    tally.add_segment([trial("four", "four four four"), trial("four")], [trial("four"), trial("four")])
    tally.end_recording(["Four.", "Four!"])
    figures = tally.figures(total_words=8, total_s=12.0)
    assert (figures.checked_error, figures.raw_error) == (1 / 8, 3 / 8)


def test_what_changed_is_told_from_what_is_wrong() -> None:
    tally = Tally(1.0)
    tally.add_segment([trial("a b"), trial("a b")], [trial("x b"), trial("x y")])
    tally.add_segment([trial("c"), trial("c")], [trial("c"), trial("d")])
    tally.end_recording(["a b c", "a b c"])
    figures = tally.figures(total_words=6, total_s=10.0)
    assert figures.checked_error == 0
    assert figures.changed == pytest.approx(4 / 6, abs=1e-4)
    # The variants of one segment are added up before they are squared: 3 words and 1.
    assert figures.spread == pytest.approx(math.sqrt(9 + 1) / 6, abs=1e-4)


def test_doubts_and_costs_are_shares() -> None:
    tally = Tally("full")
    tally.add_segment([trial("a", doubted=True, cost_s=2.0), trial("a", cost_s=1.0)], [trial("a"), trial("a")])
    tally.add_segment([trial("b", cost_s=0.5), trial("b", cost_s=0.5)], [trial("b"), trial("b")])
    assert tally.heard() == ["a b", "a b"]
    tally.end_recording(["a b", "a b"])
    figures = tally.figures(total_words=4, total_s=16.0)
    assert (figures.margin_s, figures.doubted, figures.cost) == ("full", 0.25, 0.25)
