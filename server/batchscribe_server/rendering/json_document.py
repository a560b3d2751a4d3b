"""The project's own JSON: all that is known of a transcript.

Times are seconds with milliseconds, confidences 0 to 1. Every key is always there, except `words` where neither word
times nor word confidences were asked for; a word has what was asked for. What was found in the transcript stands before
`segments`, where it was asked for: see `analysis_document`. `schema` changes its number when a reader of
the old one would go wrong; new keys may be added without.

    {
      "schema": "batchscribe.transcript/1",
      "job": "jobs/…", "reference_id": "", "input": "file:///…", "created": "2026-01-31T12:00:00+00:00",
      "model": "base", "task": "transcribe",
      "language": {"code": "en", "confidence": 0.98},          // or null
      "media": {"container": "wav", "codec": "pcm_s16le", "sample_rate": 16000, "channels": 1},
      "duration": 12.345,
      "warning": "",                                           // what could not be decoded, or changed, in plain words
      "text": "Hello world. …",
      "segments": [
        {"index": 0, "start": 0.12, "end": 1.5, "text": "Hello world.", "channel": 0, "speaker": "",
         "language": "en", "confidence": 0.91,             // channel is null where channels are mixed down
         "words": [{"text": "Hello", "start": 0.12, "end": 0.5, "confidence": 0.97}, …]},
        …
      ]
    }

A segment stands on one line. Of a URL, `input` has neither query nor fragment: they may be a secret, and a document is
written where others read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Segment, Transcript, Word
from batchscribe_server.domain.url import shown_url
from batchscribe_server.rendering.analysis_document import analysis_document

SCHEMA = "batchscribe.transcript/1"


def json_document(transcript: Transcript, config: RecognitionConfig) -> Iterator[str]:
    """The document, a line at a time."""
    language = transcript.language
    media = transcript.media
    head: dict[str, object] = {
        "schema": SCHEMA,
        "job": transcript.job_name,
        "reference_id": transcript.reference_id,
        "input": shown_url(transcript.input_uri),
        "created": transcript.create_time_iso,
        "model": transcript.model,
        "task": transcript.task,
        "language": {"code": language.code, "confidence": _rounded(language.confidence)} if language else None,
        "media": {
            "container": media.container,
            "codec": media.codec,
            "sample_rate": media.sample_rate_hz,
            "channels": media.channels,
        },
        "duration": _seconds(transcript.duration_ms),
        "warning": transcript.warning,
        "text": transcript.text,
    }
    if transcript.analysis is not None:
        head |= analysis_document(transcript.analysis)
    yield "{\n"
    for key, value in head.items():
        yield f'  "{key}": {_json(value)},\n'
    yield '  "segments": ['
    separator = "\n    "
    for segment in transcript.segments:
        yield separator + _json(_segment(segment, config))
        separator = ",\n    "
    yield "\n  ]\n}\n" if transcript.segments else "]\n}\n"


def _segment(segment: Segment, config: RecognitionConfig) -> dict[str, object]:
    document: dict[str, object] = {
        "index": segment.index,
        "start": _seconds(segment.start_ms),
        "end": _seconds(segment.end_ms),
        "text": segment.text,
        "channel": segment.channel,
        "speaker": segment.speaker,
        "language": segment.language,
        "confidence": _rounded(segment.confidence),
    }
    if config.word_time_offsets or config.word_confidence:
        document["words"] = [_word(word, config) for word in segment.words]
    return document


def _word(word: Word, config: RecognitionConfig) -> dict[str, object]:
    document: dict[str, object] = {"text": word.text}
    if config.word_time_offsets:
        document["start"] = _seconds(word.start_ms)
        document["end"] = _seconds(word.end_ms)
    if config.word_confidence:
        document["confidence"] = _rounded(word.confidence)
    return document


def _seconds(time_ms: int) -> float:
    return time_ms / 1000


def _rounded(confidence: float) -> float:
    return round(confidence, 3)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
