"""Where decoded sound belongs, by its time stamps."""

from __future__ import annotations

import pytest

from batchscribe_engine.media.timeline import ALL_GAPS_S, LONGEST_GAP_S, Timeline, clock


def test_sound_that_follows_on_needs_no_silence() -> None:
    timeline = Timeline(origin_s=0.0)
    assert [timeline.silence_before(second, second) for second in (0.0, 1.0, 2.0)] == [0.0, 0.0, 0.0]


def test_a_late_start_becomes_silence() -> None:
    assert Timeline(origin_s=10.0).silence_before(12.5, 0.0) == 2.5


def test_a_file_whose_clock_does_not_begin_at_zero_has_no_late_start() -> None:
    assert Timeline(origin_s=None).silence_before(86_400.0, 0.0) == 0.0


def test_lost_sound_becomes_silence() -> None:
    timeline = Timeline(origin_s=0.0)
    timeline.silence_before(0.0, 0.0)
    assert timeline.silence_before(5.0, 1.0) == 4.0
    assert timeline.silence_before(6.0, 6.0) == 0.0


def test_jitter_is_no_gap() -> None:
    timeline = Timeline(origin_s=0.0)
    timeline.silence_before(0.0, 0.0)
    assert timeline.silence_before(1.09, 1.0) == 0.0
    assert timeline.silence_before(1.91, 2.0) == 0.0


def test_a_slow_drift_is_made_up_for() -> None:
    timeline = Timeline(origin_s=0.0)
    position_s = 0.0
    for second in range(1000):
        position_s += timeline.silence_before(second * 1.001, position_s) + 1.0
    assert position_s == pytest.approx(1001.0, abs=0.1)


def test_sound_ahead_of_its_time_stamps_absorbs_the_next_gap() -> None:
    timeline = Timeline(origin_s=0.0)
    timeline.silence_before(0.0, 0.0)
    assert timeline.silence_before(1.0, 3.0) == 0.0
    assert timeline.silence_before(5.0, 4.0) == 1.0


def test_a_jump_of_days_is_not_believed_and_time_goes_on() -> None:
    timeline = Timeline(origin_s=0.0)
    timeline.silence_before(0.0, 0.0)
    assert timeline.silence_before(1_000_000.0, 1.0) == 0.0
    assert timeline.silence_before(1_000_001.0, 2.0) == 0.0
    assert timeline.silence_before(1_000_004.0, 3.0) == 2.0


def test_a_clock_that_starts_anew_is_followed() -> None:
    timeline = Timeline(origin_s=0.0)
    timeline.silence_before(0.0, 0.0)
    assert timeline.silence_before(0.0, 600.0) == 0.0
    assert timeline.silence_before(3.0, 601.0) == 2.0


def test_many_gaps_together_are_bounded() -> None:
    timeline = Timeline(origin_s=0.0)
    position_s = stamp_s = 0.0
    for _ in range(100):
        position_s += timeline.silence_before(stamp_s, position_s)
        stamp_s += LONGEST_GAP_S - 1
    assert ALL_GAPS_S - LONGEST_GAP_S < position_s <= ALL_GAPS_S


def test_sound_without_a_time_stamp_follows_on() -> None:
    assert Timeline(origin_s=0.0).silence_before(None, 7.0) == 0.0


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00:00"), (192.9, "0:03:12"), (36_061, "10:01:01")])
def test_times_are_written_as_people_read_them(seconds: float, text: str) -> None:
    assert clock(seconds) == text
