"""What margins do to two real models: why each model has its own, and what the checks mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from batchscribe_engine.calibration.trial import Trials
from batchscribe_engine.calibration.word_errors import edits, words
from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.whisper import Device, Whisper
from batchscribe_engine.messages import SegmentTask
from tests.speech import read_wav, spoken

TEXTS = (
    "The train was late because a tree had fallen on the line.",
    "He wrote letters to his brother every week.",
    "If the weather is fine tomorrow, the children will play in the park. "
    "Otherwise they will stay at home and paint pictures for their grandmother.",
)
MARGIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Errors:
    """Shares of all words: those that the first decoding has wrong, and those that are left after the checks."""

    raw: float
    checked: float


@contextmanager
def trials(folder: Path) -> Iterator[tuple[Whisper, Trials]]:
    device = Device.choose("cpu", "auto")
    whisper = Whisper.load(str(folder), device, workers=1, threads=2)
    try:
        yield whisper, Trials(whisper, device, beam_size=1)
    finally:
        whisper.close()


def errors(folder: Path, margin_s: float | None) -> Errors:
    raw = checked = said = 0
    with trials(folder) as (whisper, tried):
        for text in TEXTS:
            samples = read_wav(spoken(text))
            task = SegmentTask(0, slot=0, generation=0, samples=samples.size, language="en")
            trial = tried.run(Utterance(task, whisper.features(samples)), margin_s)
            raw += edits(words(text), words(trial.raw_text))
            checked += edits(words(text), words(trial.checked_text))
            said += len(words(text))
    return Errors(raw / said, checked / said)


@pytest.mark.slow
def test_tiny_en_needs_more_margin_than_base(base_folder: Path, tiny_en_folder: Path) -> None:
    base, base_full = errors(base_folder, MARGIN_S), errors(base_folder, None)
    assert base.raw <= base_full.raw + 0.05

    tiny_en, tiny_en_full = errors(tiny_en_folder, MARGIN_S), errors(tiny_en_folder, None)
    # It says its last words again and again.
    assert tiny_en.raw > tiny_en_full.raw + 0.5
    assert tiny_en.checked <= tiny_en_full.checked + 0.05
