"""What a calibration sees of a margin too small for a model: the first decoding's errors, and what the checks mend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchscribe_engine.calibration.trial import Trial, Trials
from batchscribe_engine.calibration.word_errors import edits, words
from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.whisper import Device
from batchscribe_engine.messages import SegmentTask
from tests.looping_whisper import LoopingWhisper
from tests.speech import read_wav, spoken

TEXT = "The train was late because a tree had fallen on the line."
CPU = Device.choose("cpu", "auto")


@pytest.fixture(scope="module")
def looping(base_folder: Path) -> Iterator[LoopingWhisper]:
    whisper = LoopingWhisper.load(str(base_folder), CPU, workers=1, threads=2)
    whisper.loops_below_s = 6.0
    yield whisper
    whisper.close()


def trial(whisper: LoopingWhisper, margin_s: float | None) -> Trial:
    samples = read_wav(spoken(TEXT))
    task = SegmentTask(0, slot=0, generation=0, samples=samples.size, language="en")
    return Trials(whisper, CPU, beam_size=1).run(Utterance(task, whisper.features(samples)), margin_s)


def test_a_margin_in_which_a_model_loops_is_doubted_and_its_words_mended(looping: LoopingWhisper) -> None:
    looped = trial(looping, 2.0)

    assert looped.doubted
    assert edits(words(TEXT), words(looped.raw_text)) >= 3, "the last words are said three times more"
    assert words(looped.checked_text) == words(TEXT)


@pytest.mark.parametrize("margin_s", [4.0, None])
def test_one_in_which_it_does_not_is_not(looping: LoopingWhisper, margin_s: float | None) -> None:
    whole = trial(looping, margin_s)

    assert not whole.doubted
    assert words(whole.raw_text) == words(whole.checked_text) == words(TEXT)
