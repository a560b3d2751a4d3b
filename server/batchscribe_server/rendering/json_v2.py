"""JSON as Speechmatics' batch service writes it: json-v2, version 2.9 of its format.

Words and punctuation marks are results of their own, in order; marks say whether they attach to the word before or
after, or to none, as a dash between spaces. Speakers are S1, S2, … for our "Speaker 0", "Speaker 1", …, other labels
stand as they are, and UU is who is not told; channels go by their labels, or are channel_1, channel_2, …. What is ours:
`warnings` in the metadata, in plain words, where there are any; `operating_point` may be "sequential".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchscribe_server.domain.layout import file_name
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.script import sentence_ends, word_delimiter, writing_direction
from batchscribe_server.domain.transcript import Transcript, Word
from batchscribe_server.domain.words import MarkedWord, marked_word
from batchscribe_server.rendering.json_parts import as_json, json_list, rounded, seconds
from batchscribe_server.rendering.warnings import warnings_of
from batchscribe_server.rendering.written_words import written_words

FORMAT_VERSION = "2.9"

_UNKNOWN_SPEAKER = "UU"
_NUMBERED_SPEAKER = re.compile(r"Speaker (\d+)")


def json_v2(transcript: Transcript, config: RecognitionConfig) -> Iterator[str]:
    """The document, a result a line."""
    yield f'{{\n  "format": "{FORMAT_VERSION}",\n'
    yield f'  "job": {as_json(_job(transcript))},\n'
    yield f'  "metadata": {as_json(_metadata(transcript, config))},\n'
    yield '  "results": '
    yield from json_list(_results(transcript))
    yield "\n}\n"


def _job(transcript: Transcript) -> dict[str, object]:
    job: dict[str, object] = {
        "id": transcript.job_name.removeprefix("jobs/"),
        "created_at": transcript.create_time_iso,
        "data_name": file_name(transcript.input_uri),
        "duration": round(transcript.duration_ms / 1000),
    }
    if transcript.reference_id:
        job["tracking"] = {"reference": transcript.reference_id}
    return job


def _metadata(transcript: Transcript, config: RecognitionConfig) -> dict[str, object]:
    language = transcript.text_language
    metadata: dict[str, object] = {
        "created_at": transcript.create_time_iso,
        "type": "transcription",
        "transcription_config": _transcription_config(config),
        "language_pack_info": {
            "word_delimiter": word_delimiter(language),
            "writing_direction": writing_direction(language),
        },
    }
    if transcript.language is not None and not config.language:
        spoken = {"language": transcript.language.code, "confidence": rounded(transcript.language.confidence)}
        metadata["language_identification"] = {
            "predicted_language": transcript.language.code,
            "results": [{"start_time": 0.0, "end_time": seconds(transcript.duration_ms), "alternatives": [spoken]}],
        }
    if warnings := warnings_of(transcript):
        metadata["warnings"] = warnings
    return metadata


def _transcription_config(config: RecognitionConfig) -> dict[str, object]:
    asked: dict[str, object] = {
        "language": config.language or "auto",
        "operating_point": config.operating_point.value,
    }
    if config.diarization is not None:
        asked["diarization"] = config.diarization.mode.value
    elif config.channel_separation:
        asked["diarization"] = "channel"
    if config.diarization is not None and config.diarization.channel_labels:
        asked["channel_diarization_labels"] = list(config.diarization.channel_labels)
    if config.hotwords:
        asked["additional_vocab"] = [{"content": word} for word in config.hotwords]
    return asked


def _results(transcript: Transcript) -> Iterator[dict[str, object]]:
    delimiter = word_delimiter(transcript.text_language)
    for segment in transcript.segments:
        of_segment = {} if segment.channel is None else {"channel": _channel(transcript, segment.channel)}
        language = transcript.text_language_of(segment)
        for word in written_words(segment, delimiter):
            for result, content, confidence in _parts(word, marked_word(word.text)):
                alternative = {
                    "content": content,
                    "confidence": rounded(confidence),
                    "language": language,
                    "speaker": _speaker(word.speaker),
                }
                yield result | of_segment | {"alternatives": [alternative]}


def _parts(word: Word, marked: MarkedWord) -> Iterator[tuple[dict[str, object], str, float]]:
    """The results that a word with its marks makes, each with its content and confidence."""
    start, end = seconds(word.start_ms), seconds(word.end_ms)
    if not marked.word:
        for number, mark in enumerate((*marked.opening, *marked.closing)):
            yield _punctuation(mark, start, "previous" if number else "none"), mark, 1.0
        return
    for mark in marked.opening:
        yield _punctuation(mark, start, "next"), mark, 1.0
    yield {"type": "word", "start_time": start, "end_time": end}, marked.word, word.confidence
    for mark in marked.closing:
        yield _punctuation(mark, end, "previous"), mark, 1.0


def _punctuation(mark: str, time: float, attaches_to: str) -> dict[str, object]:
    return {
        "type": "punctuation",
        "start_time": time,
        "end_time": time,
        "attaches_to": attaches_to,
        "is_eos": attaches_to != "next" and sentence_ends(mark),
    }


def _channel(transcript: Transcript, channel: int) -> str:
    labels = transcript.channel_labels
    return labels[channel] if channel < len(labels) else f"channel_{channel + 1}"


def _speaker(label: str) -> str:
    numbered = _NUMBERED_SPEAKER.fullmatch(label)
    return f"S{int(numbered[1]) + 1}" if numbered else label or _UNKNOWN_SPEAKER
