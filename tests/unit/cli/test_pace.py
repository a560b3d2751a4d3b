"""How fast the audio is done and how long the rest will take."""

from __future__ import annotations

from batchscribe.cli.pace import Pace


def test_speed_and_time_left_are_of_the_audio_done_since_the_work_began() -> None:
    pace = Pace()
    assert (pace.speed(10, 5), pace.left_s(10, 0.5)) == (None, None)
    pace.begin(10)
    assert (pace.speed(20, 100), pace.left_s(20, 0.25)) == (10.0, 30.0)


def test_what_was_done_before_a_retry_makes_it_no_faster() -> None:
    pace = Pace()
    pace.begin(100, done_s=3_600, progress=0.9)
    assert (pace.speed(110, 3_600), pace.left_s(110, 0.9)) == (None, None)
    assert pace.speed(110, 3_800) == 20.0
    left_s = pace.left_s(110, 0.95)
    assert left_s is not None
    assert round(left_s, 6) == 10.0
