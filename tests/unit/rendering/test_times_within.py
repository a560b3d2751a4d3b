"""No time in any format lies after the recording's end, however its text was edited and whoever is told apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pysubs2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server import rendering, text
from batchscribe_server.domain.recognition import (
    ProfanityFilter,
    RecognitionConfig,
    Redaction,
    Replacement,
    SubtitleConfig,
    TranscriptFormat,
)
from batchscribe_server.domain.speakers import SpeakerTurn, with_speakers
from batchscribe_server.domain.transcript import Segment, Transcript, Word
from batchscribe_server.domain.turns import in_turns
from tests.transcripts import transcript

SAID = ("um", "twenty", "five", "the", "printer,", "surpassed.", "four", "thousand", "shit", "Yes!", "a@b.com", "我们")
GROWN = "surpassed by any other printer in the whole of Europe since the invention of the art"
TIMED = RecognitionConfig(word_time_offsets=True, word_confidence=True)
CONFIGS = (
    TIMED,
    replace(TIMED, disfluency_removal=True, smart_formatting=True, redaction=Redaction()),
    replace(TIMED, replacements=(Replacement("surpassed", GROWN), Replacement("yes", GROWN), Replacement("the", ""))),
    replace(TIMED, smart_formatting=True, profanity_filter=ProfanityFilter.MASK, replacements=(Replacement("a", "b"),)),
)
FORMATS = [each for each in TranscriptFormat if each not in (TranscriptFormat.TEXT, TranscriptFormat.SUMMARY)]
LAST_MOMENT_MS = 400


@st.composite
def recordings(draw: st.DrawFn) -> tuple[Transcript, RecognitionConfig]:
    """What may be heard in a recording up to its very end, after the edits that a config asks for."""
    duration_ms = draw(st.integers(1_000, 40_000))
    channels = draw(st.sampled_from([(None,), (0, 1)]))
    config = draw(st.sampled_from(CONFIGS))
    editor = text.editor(config)
    timed = draw(st.booleans())
    ends = draw(st.integers(duration_ms - LAST_MOMENT_MS, duration_ms))
    segments: list[Segment] = []
    for index in range(draw(st.integers(1, 4))):
        starts_ms = sorted(draw(st.lists(st.integers(0, ends), min_size=1, max_size=12)))
        words = tuple(
            Word(draw(st.sampled_from(SAID)), start_ms, min(duration_ms, start_ms + draw(st.integers(0, 900))), 0.5)
            for start_ms in starts_ms
        )
        segment = Segment(
            index,
            starts_ms[0],
            max(word.end_ms for word in words),
            " ".join(word.text for word in words),
            "en",
            0.5,
            words if timed else (),
            draw(st.sampled_from(channels)),
        )
        segments.append(editor.edit(segment) if editor is not None else segment)
    segments.sort(key=lambda segment: segment.start_ms)
    turns = [
        SpeakerTurn(start, start + 3_000, start % 2, draw(st.sampled_from(channels)))
        for start in range(0, 45_000, 2_900)
    ]
    told = with_speakers(segments, turns) if draw(st.booleans()) else segments
    return replace(transcript(*in_turns(told)), duration_ms=duration_ms), config


def times_s(format: TranscriptFormat, document: str) -> Iterator[float]:
    """All times that a document tells, in seconds."""
    match format:
        case TranscriptFormat.SRT | TranscriptFormat.VTT:
            for event in pysubs2.SSAFile.from_string(document, format_=format.value):
                yield from (event.start / 1000, event.end / 1000)
        case TranscriptFormat.TSV:
            for row in document.splitlines()[1:]:
                yield from (int(field) / 1000 for field in row.split("\t")[:2])
        case _:
            yield from _times_in(json.loads(document))


def _times_in(value: object, key: str = "") -> Iterator[float]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _times_in(each, name)
    elif isinstance(value, list):
        timed = key == "timestamps" and bool(value) and isinstance(value[0], list)
        for each in value:
            yield from (each[1:3] if timed else _times_in(each, key))
    elif isinstance(value, int | float) and re.fullmatch("start|end|start_time|end_time|from|to", key):
        yield float(value)


@pytest.mark.parametrize("format", FORMATS)
@given(recordings())
def test_no_time_is_after_the_end(format: TranscriptFormat, recording: tuple[Transcript, RecognitionConfig]) -> None:
    of, config = recording
    for each in (of, *(of.of_channel(channel) for channel in of.channels)):
        document = b"".join(rendering.render(each, format, config, SubtitleConfig())).decode()
        times = list(times_s(format, document))
        assert times or not any(segment.text.strip() for segment in each.segments)
        assert max(times, default=0.0) <= each.duration_ms / 1000
