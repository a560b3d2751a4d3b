"""Voice activity in portions, and at once."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.voice_activity import SileroModel, VoiceActivity
from tests.speech import read_wav, spoken


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def test_speech_is_told_from_silence(model: SileroModel) -> None:
    speech = read_wav(spoken("The quick brown fox jumps over the lazy dog."))
    silence = np.zeros(2 * 16_000, dtype=np.int16)
    activity = VoiceActivity(model)
    assert activity.hear(silence[: 62 * FRAME_SAMPLES]).max() < 0.3
    assert np.median(activity.hear(speech)) > 0.8


@pytest.mark.parametrize("portion_frames", [1, 7, 32])
def test_hearing_in_portions_is_hearing_at_once(model: SileroModel, portion_frames: int) -> None:
    speech = read_wav(spoken("The quick brown fox jumps over the lazy dog."))
    at_once = VoiceActivity(model).hear(speech)
    activity = VoiceActivity(model)
    size = portion_frames * FRAME_SAMPLES
    in_portions = np.concatenate([activity.hear(speech[i : i + size]) for i in range(0, speech.size, size)])
    assert at_once.shape == (-(-speech.size // FRAME_SAMPLES),)
    # Products of matrices of other sizes are summed up in another order.
    assert in_portions == pytest.approx(at_once, abs=1e-5)


def test_the_probabilities_are_those_of_faster_whisper(model: SileroModel) -> None:
    # In a process of its own: faster-whisper brings CTranslate2 along.
    path = spoken("The quick brown fox jumps over the lazy dog.")
    code = """
import sys, numpy as np
from faster_whisper.vad import get_vad_model
from tests.speech import read_wav
from pathlib import Path
speech = read_wav(Path(sys.argv[1])).astype(np.float32) / 32768
whole = speech[: speech.size - speech.size % 512]
np.save(sys.argv[2], get_vad_model()(whole.copy()))
"""
    destination = path.with_suffix(".reference.npy")
    subprocess.run([sys.executable, "-c", code, str(path), str(destination)], check=True, timeout=60)
    reference = np.load(destination).reshape(-1)
    destination.unlink()
    speech = read_wav(path)
    ours = VoiceActivity(model).hear(speech[: speech.size - speech.size % FRAME_SAMPLES])
    # faster-whisper silences the last 64 samples of what it is given, so its last frame differs.
    assert ours[:-1] == pytest.approx(reference[:-1], abs=1e-5)


def test_a_portion_is_heard_the_same_way_each_time(model: SileroModel) -> None:
    speech = read_wav(spoken("The quick brown fox jumps over the lazy dog."))[: 64 * FRAME_SAMPLES]
    assert np.array_equal(VoiceActivity(model).hear(speech), VoiceActivity(model).hear(speech))


def test_nothing_gives_nothing(model: SileroModel) -> None:
    assert VoiceActivity(model).hear(np.zeros(0, dtype=np.int16)).shape == (0,)


def test_the_model_is_found_without_faster_whisper_and_run_without_onnxruntime() -> None:
    code = (
        "import sys; from batchscribe_engine.media.voice_activity import SileroModel; SileroModel(); "
        "sys.exit(bool({'faster_whisper', 'ctranslate2', 'onnxruntime'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
