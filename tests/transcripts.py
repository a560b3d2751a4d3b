"""Transcripts of every kind, for the tests of the formats that they are written in."""

# ruff: noqa: RUF001 - the marks of other scripts are meant
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment, Transcript, Word

WORD_MS = 300


def said(
    text: str,
    start_ms: int = 0,
    *,
    words: Sequence[str] | None = None,
    channel: int | None = None,
    speaker: str = "",
    language: str = "en",
) -> Segment:
    """A segment whose words, those between spaces unless others are given, take 300 ms each without pauses."""
    timed = tuple(
        Word(word, start_ms + number * WORD_MS, start_ms + (number + 1) * WORD_MS, 0.91234, speaker)
        for number, word in enumerate(text.split() if words is None else words)
    )
    end_ms = timed[-1].end_ms if timed else start_ms + WORD_MS * len(text.split())
    return Segment(0, start_ms, end_ms, text, language, 0.8, timed, channel, speaker)


def transcript(
    *segments: Segment, language: str = "en", channel_labels: tuple[str, ...] = (), warning: str = ""
) -> Transcript:
    """The transcript of a recording of 61 s; its segments are numbered."""
    channels = sorted({segment.channel for segment in segments if segment.channel is not None})
    media = MediaDescription("wav", "pcm_s16le", 8000, 2, 61_000, tuple(range(2)) if channels else ())
    return Transcript(
        job_name="jobs/1",
        input_uri="file:///calls/a%20b.wav",
        reference_id="call 7",
        model="base",
        task="transcribe",
        language=DetectedLanguage(language, 0.98765),
        media=media,
        duration_ms=61_234,
        create_time_iso="2026-01-31T12:00:00+00:00",
        segments=[replace(segment, index=index) for index, segment in enumerate(segments)],
        warning=warning,
        channel_labels=channel_labels,
    )


def untimed(of: Transcript) -> Transcript:
    """The same as it is where words were not timed."""
    return replace(of, segments=[replace(segment, words=()) for segment in of.segments])


MONO = transcript(
    said("Good morning, this is a test of some length."), said("It costs $5, or 10% more.", 4_000), said("Yes.", 30_000)
)
CHANNELS = transcript(
    said("Good morning, how can I help?", channel=0),
    said("I would like to book a table.", 2_500, channel=1),
    said("Mm-hm.", 3_000, channel=0),
    said("For four people.", 5_000, channel=1),
    channel_labels=("Agent & Co", "Caller"),
)
VOICES = transcript(
    said("Who is there?", speaker="Speaker 0"),
    said("It is me.", 900, speaker="Speaker 1"),
    said("Come in!", 1_800, speaker="Speaker 0"),
)
VOICES_AND_NOBODY = transcript(
    said("Who is there?", speaker="Speaker 0"),
    said("Nobody.", 900),
    said("Come in!", 1_800, speaker="Speaker 0"),
    said("Nobody again.", 3_000),
)
VOICES_IN_CHANNELS = transcript(
    said("Hello.", channel=0, speaker="Speaker 0"),
    said("Hello, we are two.", 400, channel=1, speaker="Speaker 0"),
    said("We are.", 1_800, channel=1, speaker="Speaker 1"),
)
ARABIC = transcript(said("مرحبا، كيف حالك؟", language="ar"), said("أنا بخير.", 3_000, language="ar"), language="ar")
CHINESE = transcript(
    said(
        "今天天气很好，我们去公园吧。",
        words=["今天", "天气", "很", "好，", "我们", "去", "公园", "吧。"],
        language="zh",
    ),
    said("我用iPhone。", 6_000, words=["我", "用", "iPhone。"], language="zh"),
    said("他说New York很大。", 8_000, words=["他", "说", "New", "York", "很", "大。"], language="zh"),
    language="zh",
)
THAI = transcript(
    said("สวัสดีครับ วันนี้อากาศดี", words=["สวัสดี", "ครับ", "วันนี้", "อากาศ", "ดี"], language="th"),
    language="th",
)
MODEL_WORDS = transcript(
    said(
        "It rose 10% to $5 at AT&T, didn't it?",
        words=["It", "rose", "10", "%", "to", "$", "5", "at", "AT", "&", "T,", "didn't", "it?"],
    )
)
ODD_MARKS = transcript(
    said("Dr. Smith of the U.S. said: \"It's 3.14 (about C++)...\" — ¿verdad?! rock'n'roll"),
    said("if a<b & c --> d </v> {\\i1} C:\\Temp", 9_000),
    said("tabs\tand\nlines", 20_000),
)
ONE_WORD = transcript(said("Yes."), said("No!", 2_000), said("7", 4_000), said("...", 6_000), said("", 8_000, words=[]))

CASES = {
    "mono": MONO,
    "channels": CHANNELS,
    "voices": VOICES,
    "voices in channels": VOICES_IN_CHANNELS,
    "no words": untimed(MONO),
    "channels without words": untimed(CHANNELS),
    "voices without words": untimed(VOICES),
    "voices and nobody": VOICES_AND_NOBODY,
    "no speech": transcript(warning="The last 3 s could not be decoded."),
    "Arabic": ARABIC,
    "Arabic without words": untimed(ARABIC),
    "Chinese": CHINESE,
    "Chinese without words": untimed(CHINESE),
    "Thai": THAI,
    "words as models part them": MODEL_WORDS,
    "odd marks": ODD_MARKS,
    "odd marks without words": untimed(ODD_MARKS),
    "one word": ONE_WORD,
    "one channel": CHANNELS.of_channel(1),
}
