"""What is written in each format."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pysubs2
import pytest

from batchscribe_server import rendering
from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import Failure
from batchscribe_server.domain.recognition import RecognitionConfig, SubtitleConfig, TranscriptFormat
from batchscribe_server.domain.transcript import Transcript
from batchscribe_server.operations.rendering import Renderer
from tests.transcripts import said, transcript

renderer: Renderer = rendering

NOTE = "NOTE\nTranscript of jobs/1\nCreated: 2026-01-31T12:00:00+00:00\nDuration: 61.234 s\nChannels: 2"


def rendered(
    of: Transcript,
    format: TranscriptFormat,
    config: RecognitionConfig | None = None,
    subtitles: SubtitleConfig | None = None,
) -> str:
    pieces = renderer.render(of, format, config or RecognitionConfig(), subtitles or SubtitleConfig())
    return b"".join(pieces).decode()


def test_text_begins_a_paragraph_after_a_long_pause() -> None:
    text = rendered(
        transcript(said("Guten Tag.", 0), said("Wie geht's?", 2000), said("Gut.", 9000)),
        TranscriptFormat.TEXT,
    )
    assert text == "Guten Tag. Wie geht's?\n\nGut.\n"


@pytest.mark.parametrize("format", [format for format in TranscriptFormat if format is not TranscriptFormat.SUMMARY])
@pytest.mark.parametrize("space", ["\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{IDEOGRAPHIC SPACE}"])
def test_spaces_that_are_no_plain_ones_stay(format: TranscriptFormat, space: str) -> None:
    text = rendered(transcript(said(f"Oui{space}non", 0, words=())), format)
    assert f"Oui{space}non" in text.replace(json.dumps(space)[1:-1], space)


def test_text_without_pauses_is_parted_after_a_sentence() -> None:
    segments = [said(f"Satz {number} mit Worten.", 4000 * number) for number in range(80)]
    paragraphs = rendered(transcript(*segments), TranscriptFormat.TEXT).split("\n\n")
    assert len(paragraphs) > 1
    assert all(len(paragraph) < 800 and paragraph.rstrip().endswith(".") for paragraph in paragraphs)
    assert " ".join(paragraphs).split() == " ".join(s.text for s in segments).split()


def test_text_names_who_speaks_at_each_turn() -> None:
    call = transcript(
        said("Guten Tag.", 0, channel=0),
        said("Hier ist Weber.", 900, channel=0),
        said("Ja bitte?", 1800, channel=1, speaker="Speaker 2"),
        said("Gut.", 2700, channel=2),
    )
    text = rendered(replace(call, channel_labels=("Agent", "Caller")), TranscriptFormat.TEXT)
    assert text == "Agent: Guten Tag. Hier ist Weber.\n\nCaller, Speaker 2: Ja bitte?\n\nChannel 2: Gut.\n"


def test_text_names_nobody_where_a_turn_is_nobodys() -> None:
    call = transcript(
        said("Guten Tag.", 0, speaker="Speaker 0"),
        said("Rauschen.", 900),
        said("Ja bitte?", 1800, speaker="Speaker 0"),
    )
    text = rendered(call, TranscriptFormat.TEXT)
    assert text == "Speaker 0: Guten Tag.\n\nRauschen.\n\nSpeaker 0: Ja bitte?\n"


def test_a_long_turn_of_text_is_parted_too_and_named_once() -> None:
    sentences = [said(f"Satz {number} mit Worten.", 4000 * number, speaker="Speaker 0") for number in range(80)]
    answer = said("Aha.", 320_000, speaker="Speaker 1", words=())
    paragraphs = rendered(transcript(*sentences, answer), TranscriptFormat.TEXT).split("\n\n")
    assert len(paragraphs) > 3
    assert [paragraph.startswith("Speaker 0: ") for paragraph in paragraphs] == [True, *[False] * (len(paragraphs) - 1)]
    assert paragraphs[-1] == "Speaker 1: Aha.\n"


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (TranscriptFormat.TEXT, ""),
        (TranscriptFormat.SRT, ""),
        (TranscriptFormat.VTT, f"WEBVTT\n\n{NOTE}\n\n"),
        (TranscriptFormat.TSV, "start\tend\ttext\n"),
    ],
)
def test_silence_gives_an_empty_document(format: TranscriptFormat, expected: str) -> None:
    assert rendered(transcript(), format) == expected


def test_silence_gives_json_without_segments() -> None:
    document = json.loads(rendered(transcript(warning="the last 3 s are corrupt"), TranscriptFormat.JSON))
    assert (document["text"], document["segments"]) == ("", [])
    assert document["warning"] == "the last 3 s are corrupt"


def test_json_holds_what_is_known() -> None:
    text = rendered(transcript(said("Schöne Grüße.", 1234)), TranscriptFormat.JSON)
    assert "Schöne Grüße." in text
    assert json.loads(text) == {
        "schema": "batchscribe.transcript/1",
        "job": "jobs/1",
        "reference_id": "call 7",
        "input": "file:///calls/a%20b.wav",
        "created": "2026-01-31T12:00:00+00:00",
        "model": "base",
        "task": "transcribe",
        "language": {"code": "en", "confidence": 0.988},
        "media": {"container": "wav", "codec": "pcm_s16le", "sample_rate": 8000, "channels": 2},
        "channels": [],
        "duration": 61.234,
        "warning": "",
        "text": "Schöne Grüße.",
        "segments": [
            {
                "index": 0,
                "start": 1.234,
                "end": 1.834,
                "text": "Schöne Grüße.",
                "channel": None,
                "speaker": "",
                "language": "en",
                "confidence": 0.8,
            }
        ],
    }


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (RecognitionConfig(word_time_offsets=True), [{"text": "Ja.", "start": 0.5, "end": 0.8}]),
        (RecognitionConfig(word_confidence=True), [{"text": "Ja.", "confidence": 0.912}]),
        (
            RecognitionConfig(word_time_offsets=True, word_confidence=True),
            [{"text": "Ja.", "start": 0.5, "end": 0.8, "confidence": 0.912}],
        ),
    ],
)
def test_json_words_have_what_was_asked_for(config: RecognitionConfig, words: list[dict[str, object]]) -> None:
    document = json.loads(rendered(transcript(said("Ja.", 500)), TranscriptFormat.JSON, config))
    assert document["segments"][0]["words"] == words


def test_srt_counts_from_the_start_index() -> None:
    text = rendered(
        replace(transcript(said("Ja.", 500), said("Nein.", 3_600_500)), duration_ms=3_601_000),
        TranscriptFormat.SRT,
        subtitles=SubtitleConfig(start_index=7),
    )
    assert text == "7\n00:00:00,500 --> 00:00:01,300\nJa.\n\n8\n01:00:00,500 --> 01:00:01,000\nNein.\n\n"


def test_srt_is_read_back_as_it_was_meant() -> None:
    cues = pysubs2.SSAFile.from_string(
        rendered(transcript(said("Ja, so ist es.", 500), said("Nein.", 9000)), TranscriptFormat.SRT),
        format_="srt",
    )
    assert [(cue.start, cue.end, cue.plaintext) for cue in cues] == [
        (500, 1700, "Ja, so ist es."),
        (9000, 9800, "Nein."),
    ]


def test_vtt_escapes_what_has_a_meaning_there() -> None:
    text = rendered(transcript(said("a<b & c --> d", 0)), TranscriptFormat.VTT)
    assert text == f"WEBVTT\n\n{NOTE}\n\n1\n00:00:00.000 --> 00:00:01.500\na&lt;b &amp; c --&gt; d\n\n"


@pytest.mark.parametrize("format", [TranscriptFormat.SRT, TranscriptFormat.VTT])
def test_subtitles_keep_text_that_other_formats_take_for_commands(format: TranscriptFormat) -> None:
    marks = r"{\i1} C:\New \h {x}"
    assert f"\n{marks}\n\n" in rendered(transcript(said(marks)), format)


def test_long_transcripts_come_in_pieces() -> None:
    long = transcript(*(said("noch ein Satz, der hier steht.", 3000 * number) for number in range(2000)))
    for format in set(TranscriptFormat) - {TranscriptFormat.SUMMARY}:
        pieces = list(renderer.render(long, format, RecognitionConfig(), SubtitleConfig()))
        assert len(pieces) > 1
    # The JSON head holds the whole text at once.
    assert (
        max(len(piece) for piece in renderer.render(long, TranscriptFormat.SRT, RecognitionConfig(), SubtitleConfig()))
        < 40_000
    )


def test_a_notice_says_what_failed_and_why() -> None:
    notice = renderer.render_notice(
        Failure(Reason.NO_AUDIO, "the file has no sound"),
        "file:///calls/ä.wav",
        "jobs/1",
        datetime(2026, 1, 31, 12, tzinfo=UTC),
    )
    assert json.loads(notice) == {
        "error": {"reason": "NO_AUDIO", "message": "the file has no sound"},
        "input": "file:///calls/ä.wav",
        "job": "jobs/1",
        "time": "2026-01-31T12:00:00+00:00",
    }


def test_documents_and_notices_hold_no_query_of_a_url() -> None:
    url = "https://h/calls/a.wav?X-Signature=secret#part"
    document = rendered(replace(transcript(said("Ja.", 0)), input_uri=url), TranscriptFormat.JSON)
    failure = Failure(Reason.NO_AUDIO, "the file has no sound")
    notice = renderer.render_notice(failure, url, "jobs/1", datetime(2026, 1, 31, 12, tzinfo=UTC))
    assert json.loads(document)["input"] == json.loads(notice)["input"] == "https://h/calls/a.wav"
    assert "secret" not in document + notice.decode()
