"""The project's own JSON: all that is known of a transcript.

Times are seconds with milliseconds, confidences 0 to 1. Every key is always there, except `words` where neither word
times nor word confidences were asked for; a word has what was asked for, and its `speaker` where voices are told
apart. What was found in the transcript stands before `segments`, where it was asked for: see `analysis_document`.
`schema` changes its number when a reader of the old one would go wrong; new keys may be added without. Its JSON
Schema is docs/transcript.schema.json.

    {
      "schema": "batchscribe.transcript/1",
      "job": "jobs/…", "reference_id": "", "input": "file:///…", "created": "2026-01-31T12:00:00+00:00",
      "model": "base", "task": "transcribe",
      "language": {"code": "en", "confidence": 0.98},          // or null
      "media": {"container": "wav", "codec": "pcm_s16le", "sample_rate": 16000, "channels": 1},
      "channels": [{"channel": 0, "label": "Agent", "same_sound_as": null}, …],   // heard apart; or the channel that
                                                                                  // sounds the very same
      "duration": 12.345,
      "warning": "",                                           // what could not be decoded or done as asked, and
                                                               // what was changed, in plain words
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

from collections.abc import Iterator

from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Segment, Transcript, Word
from batchscribe_server.domain.url import shown_url
from batchscribe_server.rendering.analysis_document import analysis_document
from batchscribe_server.rendering.json_parts import as_json, json_list, rounded, seconds

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
        "language": {"code": language.code, "confidence": rounded(language.confidence)} if language else None,
        "media": {
            "container": media.container,
            "codec": media.codec,
            "sample_rate": media.sample_rate_hz,
            "channels": media.channels,
        },
        "channels": [_channel(transcript, channel) for channel in transcript.channels],
        "duration": seconds(transcript.duration_ms),
        "warning": transcript.warning,
        "text": transcript.text,
    }
    if transcript.analysis is not None:
        head |= analysis_document(transcript.analysis)
    yield "{\n"
    for key, value in head.items():
        yield f'  "{key}": {as_json(value)},\n'
    yield '  "segments": '
    yield from json_list(_segment(segment, config) for segment in transcript.segments)
    yield "\n}\n"


def _channel(transcript: Transcript, channel: int) -> dict[str, object]:
    source = transcript.media.same_sound_as[channel]
    return {
        "channel": channel,
        "label": transcript.channel_name(channel),
        "same_sound_as": None if source == channel else source,
    }


def _segment(segment: Segment, config: RecognitionConfig) -> dict[str, object]:
    document: dict[str, object] = {
        "index": segment.index,
        "start": seconds(segment.start_ms),
        "end": seconds(segment.end_ms),
        "text": segment.text,
        "channel": segment.channel,
        "speaker": segment.speaker,
        "language": segment.language,
        "confidence": rounded(segment.confidence),
    }
    if config.word_time_offsets or config.word_confidence:
        document["words"] = [_word(word, config) for word in segment.words]
    return document


def _word(word: Word, config: RecognitionConfig) -> dict[str, object]:
    document: dict[str, object] = {"text": word.text}
    if config.word_time_offsets:
        document["start"] = seconds(word.start_ms)
        document["end"] = seconds(word.end_ms)
    if config.word_confidence:
        document["confidence"] = rounded(word.confidence)
    if word.speaker:
        document["speaker"] = word.speaker
    return document
