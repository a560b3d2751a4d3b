"""A transcript as plain values: what `transcribe` gives back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from batchscribe.times import seconds_of
from batchscribe.v1 import transcript_pb2
from batchscribe.v1.job_pb2 import Job


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; times in seconds from the start of the file, 0 where they were not asked for.

    `confidence` is 0 to 1, None where it was not asked for.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech; times in seconds from the start of the file. Segments are numbered from 0 without gaps.

    `words` is empty unless word times or confidences were asked for, `channel` None where channels are mixed down.
    """

    index: int
    start_s: float
    end_s: float
    text: str
    language: str = ""
    confidence: float = 0.0
    channel: int | None = None
    speaker: str = ""
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in one file. `language` is an ISO 639-1 code, empty where nothing was said."""

    text: str
    segments: tuple[Segment, ...]
    language: str
    job: Job


def segment_of(message: transcript_pb2.Segment) -> Segment:
    """A segment of the contract as plain values."""
    return Segment(
        index=message.index,
        start_s=seconds_of(message.start),
        end_s=seconds_of(message.end),
        text=message.text,
        language=message.language,
        confidence=message.confidence,
        channel=message.channel if message.HasField("channel") else None,
        speaker=message.speaker,
        words=tuple(_word_of(word) for word in message.words),
    )


def segments_of_document(document: str) -> list[Segment]:
    """The segments of a transcript in the service's own JSON."""
    return [
        Segment(
            index=segment["index"],
            start_s=segment["start"],
            end_s=segment["end"],
            text=segment["text"],
            language=segment["language"],
            confidence=segment["confidence"],
            channel=segment["channel"],
            speaker=segment["speaker"],
            words=tuple(_word_of_document(word) for word in segment.get("words", ())),
        )
        for segment in json.loads(document)["segments"]
    ]


def transcript_of(job: Job, segments: Iterable[Segment]) -> Transcript:
    """The transcript of a job that succeeded, from its segments in any order."""
    ordered = tuple(sorted(segments, key=lambda segment: segment.index))
    return Transcript(
        text=" ".join(segment.text.strip() for segment in ordered if segment.text.strip()),
        segments=ordered,
        language=job.detected_language.code,
        job=job,
    )


def _word_of(message: transcript_pb2.Word) -> Word:
    return Word(
        text=message.text,
        start_s=seconds_of(message.start),
        end_s=seconds_of(message.end),
        confidence=message.confidence if message.HasField("confidence") else None,
        speaker=message.speaker,
    )


def _word_of_document(word: dict[str, Any]) -> Word:
    return Word(
        text=word["text"],
        start_s=word.get("start", 0.0),
        end_s=word.get("end", 0.0),
        confidence=word.get("confidence"),
        speaker=word.get("speaker", ""),
    )
