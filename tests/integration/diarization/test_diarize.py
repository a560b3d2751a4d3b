"""One task of the diarizer over a real file, with voices that only tell what they are asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from batchscribe_engine.diarization.diarize import diarize
from batchscribe_engine.media.failure import TaskCancelledError
from batchscribe_engine.messages import DiarizationDone, DiarizationFailed, DiarizeTask
from tests.open_files import opened
from tests.speech import RATE_HZ, side_by_side

if TYPE_CHECKING:
    from pathlib import Path

    from batchscribe_engine.diarization.voices import Stretch, Voices

CHANNELS = 3


@dataclass
class ToldVoices:
    """Recordings that hear nothing; `journal` tells of each call, and of each look at whether the task is cancelled."""

    cancelled_after: str = ""
    journal: list[str] = field(default_factory=list)

    def recording(self) -> ToldVoices:
        return self

    def hear(self, samples: Any) -> None:
        self.journal.append("hear")

    def stretches(self, fewest: int, most: int) -> list[Stretch]:
        self.journal.append("stretches")
        return []

    def checkpoint(self, decoded_ms: int) -> None:
        self.journal.append("checkpoint")
        if self.cancelled_after in self.journal:
            raise TaskCancelledError


def told(path: Path, voices: ToldVoices) -> DiarizationDone | DiarizationFailed:
    task = DiarizeTask(1, opened(path), separate_channels=True)
    return diarize(task, cast("Voices", voices), voices.checkpoint)


@pytest.fixture
def three_channels(tmp_path: Path) -> Path:
    noise = np.random.default_rng(1).integers(-1000, 1000, (CHANNELS, 3 * RATE_HZ), dtype=np.int16)
    return side_by_side(noise, tmp_path / "three.wav")


@pytest.mark.parametrize("step", ["hear", "stretches"])
def test_each_long_step_begins_with_a_sign_of_life(three_channels: Path, step: str) -> None:
    voices = ToldVoices()
    assert told(three_channels, voices) == DiarizationDone(1, ())
    steps = [place for place, entry in enumerate(voices.journal) if entry == step]
    assert len(steps) == CHANNELS
    assert {voices.journal[place - 1] for place in steps} == {"checkpoint"}


@pytest.mark.parametrize("step", ["hear", "stretches"])
def test_a_task_that_is_cancelled_begins_no_other_step(three_channels: Path, step: str) -> None:
    voices = ToldVoices(cancelled_after=step)
    answer = told(three_channels, voices)
    assert isinstance(answer, DiarizationFailed)
    assert answer.reason == "CANCELLED"
    assert voices.journal.count(step) == 1


@pytest.mark.parametrize(
    ("limit_ms", "reason"),
    [pytest.param(1_000, "", id="just so long"), pytest.param(999, "MEDIA_TOO_LONG", id="longer")],
)
def test_only_the_part_that_is_heard_may_not_be_too_long(three_channels: Path, limit_ms: int, reason: str) -> None:
    task = DiarizeTask(1, opened(three_channels), start_ms=1_505, end_ms=2_500, max_duration_ms=limit_ms)
    answer = diarize(task, cast("Voices", ToldVoices()), lambda decoded_ms: None)
    assert (answer.reason if isinstance(answer, DiarizationFailed) else "") == reason
