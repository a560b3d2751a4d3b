"""How speech is found is the client's to say: each option, from the request down to the real media worker."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe_server.domain.recognition import RecognitionConfig, VoiceActivity
from batchscribe_server.operations.transcriber import HeardSegment
from batchscribe_server.transcriber import LocalTranscriber, MediaOptions, media_argv
from tests.scripted_children import QUICK, Children, hear, request, running
from tests.speech import duration_s, read_wav, silence, spoken, write_wav

SENTENCE = "The quick brown fox jumps over the lazy dog."
WORD = "Stop."


@pytest.fixture
async def transcriber(tmp_path: Path) -> AsyncIterator[LocalTranscriber]:
    config = replace(Children(tmp_path).config(QUICK), media_argv=media_argv(MediaOptions()))
    async with running(config) as transcriber:
        yield transcriber


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    sentence, word = read_wav(spoken(SENTENCE)), read_wav(spoken(WORD))
    parts = [silence(3), sentence, silence(5), word, silence(5), sentence, silence(3)]
    return write_wav(tmp_path / "recording.wav", parts)


async def spans_ms(transcriber: LocalTranscriber, recording: Path, asked: VoiceActivity) -> list[tuple[int, int]]:
    events = await hear(transcriber, request(recording, config=RecognitionConfig(voice_activity=asked)))
    return [(event.start_ms, event.end_ms) for event in events if isinstance(event, HeardSegment)]


async def test_each_option_decides_what_is_heard(transcriber: LocalTranscriber, recording: Path) -> None:
    plain = await spans_ms(transcriber, recording, VoiceActivity())
    first, word, last = plain

    surer = await spans_ms(transcriber, recording, VoiceActivity(threshold=0.999))
    assert sum(end - start for start, end in surer) < sum(end - start for start, end in plain)

    assert await spans_ms(transcriber, recording, VoiceActivity(min_silence_ms=8000)) == [(first[0], last[1])]

    assert await spans_ms(transcriber, recording, VoiceActivity(min_speech_ms=1000)) == [first, last]

    unpadded = await spans_ms(transcriber, recording, VoiceActivity(speech_pad_ms=0))
    pad_ms = 416  # 400 in whole frames of 32
    assert unpadded == [(start + pad_ms, end - pad_ms) for start, end in (first, word, last)]

    everything = await spans_ms(transcriber, recording, VoiceActivity(enabled=False))
    assert everything[0][0] == 0
    assert everything[-1][1] == pytest.approx(1000 * duration_s(recording), abs=1)
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(everything))
