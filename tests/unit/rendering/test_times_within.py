"""No time in any format lies after the recording's end, however its text was edited and whoever is told apart."""

from __future__ import annotations

from dataclasses import replace

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
from tests.transcript_times import times_s
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


@pytest.mark.parametrize("format", FORMATS)
@given(recordings())
def test_no_time_is_after_the_end(format: TranscriptFormat, recording: tuple[Transcript, RecognitionConfig]) -> None:
    of, config = recording
    for each in (of, *(of.of_channel(channel) for channel in of.channels)):
        document = b"".join(rendering.render(each, format, config, SubtitleConfig())).decode()
        times = list(times_s(format, document))
        assert times or not any(segment.text.strip() for segment in each.segments)
        assert max(times, default=0.0) <= each.duration_ms / 1000
