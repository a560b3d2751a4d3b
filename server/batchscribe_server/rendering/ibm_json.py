"""JSON as IBM Watson Speech to Text writes it for its batches: the document of a recognition request.

A segment is a final result with one alternative. Its `transcript` keeps the punctuation; the words of `timestamps` and
`word_confidence` are without. Where it is told who speaks there are speaker labels, a copy of each within its
timestamp, as IBM's batches have them. A speaker's number is the channel's where channels alone are told apart, else
parties are numbered in the order in which they first speak. The confidence of a label is 1 where a channel tells it,
and 0.5 where a voice does, of which no score is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.script import tokens_of, word_delimiter
from batchscribe_server.domain.transcript import Segment, Transcript, Word
from batchscribe_server.domain.words import marked_word
from batchscribe_server.rendering.json_parts import as_json, json_list, rounded, seconds
from batchscribe_server.rendering.warnings import warnings_of
from batchscribe_server.rendering.written_words import written_words

_CHANNEL_CONFIDENCE = 1.0
_VOICE_CONFIDENCE = 0.5

_Party = tuple[int | None, str]
_Label = dict[str, object]


def ibm_json(transcript: Transcript, config: RecognitionConfig) -> Iterator[str]:
    """The document, a result a line. Word confidences are there where they were asked for."""
    numbers = _speaker_numbers(transcript)
    yield '{\n  "result_index": 0,\n'
    if numbers:
        yield '  "speaker_labels": '
        yield from json_list(chain.from_iterable(labels for _, _, labels in _spoken(transcript, numbers)))
        yield ",\n"
    yield '  "results": '
    yield from json_list(_result(*spoken, config) for spoken in _spoken(transcript, numbers))
    if warnings := warnings_of(transcript):
        yield f',\n  "warnings": {as_json(warnings)}'
    yield "\n}\n"


def _speaker_numbers(transcript: Transcript) -> Mapping[_Party, int]:
    """The number of each party; none where nobody is told apart."""
    parties = dict.fromkeys(map(_party, transcript.segments))
    if not any(speaker for _, speaker in parties):
        return {(channel, ""): channel for channel, _ in parties if channel is not None}
    told = [(channel, speaker) for channel, speaker in parties if speaker or channel is not None]
    return {party: number for number, party in enumerate(told)}


def _spoken(
    transcript: Transcript, numbers: Mapping[_Party, int]
) -> Iterator[tuple[Segment, list[Word], list[_Label]]]:
    """The segments in which something is said, their bare words, and the words' labels where there are any."""
    delimiter = word_delimiter(transcript.text_language)
    labelled = (segment for segment in reversed(transcript.segments) if _party(segment) in numbers)
    last_labelled = next((segment for segment in labelled if _bare_words(segment, delimiter)), None)
    for segment in transcript.segments:
        if not segment.text.strip():
            continue
        words = _bare_words(segment, delimiter)
        number = numbers.get(_party(segment))
        labels = [] if number is None else [_label(word, number) for word in words]
        if segment is last_labelled:
            labels[-1]["final"] = True
        yield segment, words, labels


def _bare_words(segment: Segment, delimiter: str) -> list[Word]:
    """The words without their marks, and without those that are marks alone."""
    bare = (replace(word, text=marked_word(word.text).word) for word in written_words(segment, delimiter))
    return [word for word in bare if word.text]


def _label(word: Word, number: int) -> _Label:
    return {
        "from": seconds(word.start_ms),
        "to": seconds(word.end_ms),
        "speaker": number,
        "confidence": _VOICE_CONFIDENCE if word.speaker else _CHANNEL_CONFIDENCE,
        "final": False,  # true for the very last one alone
    }


def _result(segment: Segment, words: list[Word], labels: list[_Label], config: RecognitionConfig) -> dict[str, object]:
    timestamps: list[list[object]] = [[word.text, seconds(word.start_ms), seconds(word.end_ms)] for word in words]
    for timestamp, label in zip(timestamps, labels, strict=False):
        timestamp.append(label)
    alternative: dict[str, object] = {
        # IBM's transcripts end with a space, so that those of all results can be joined as they are.
        "transcript": " ".join(tokens_of(segment.text)) + " ",
        "confidence": rounded(segment.confidence),
        "timestamps": timestamps,
    }
    if config.word_confidence:
        alternative["word_confidence"] = [[word.text, rounded(word.confidence)] for word in words]
    return {"final": True, "alternatives": [alternative]}


def _party(segment: Segment) -> _Party:
    return segment.channel, segment.speaker
