"""The times that a written transcript tells, whatever its format."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pysubs2

from batchscribe_server.domain.recognition import TranscriptFormat

_TIMES = frozenset({"start", "end", "start_time", "end_time", "from", "to"})


def times_s(format: TranscriptFormat, document: str) -> Iterator[float]:
    """All times in a document, in seconds; plain text has none."""
    match format:
        case TranscriptFormat.SRT | TranscriptFormat.VTT:
            for event in pysubs2.SSAFile.from_string(document, format_=format.value):
                yield from (event.start / 1000, event.end / 1000)
        case TranscriptFormat.TSV:
            for row in document.splitlines()[1:]:
                yield from (int(field) / 1000 for field in row.split("\t")[:2])
        case TranscriptFormat.TEXT | TranscriptFormat.SUMMARY:
            return
        case _:
            yield from _times_in(json.loads(document))


def _times_in(value: object, key: str = "") -> Iterator[float]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _times_in(each, name)
    elif isinstance(value, list):
        for each in value:
            # Of a word in IBM's `timestamps` there are the text, two times and its label.
            of_word = key == "timestamps" and isinstance(each, list)
            yield from (each[1:3] if of_word else _times_in(each, key))
    elif isinstance(value, int | float) and key in _TIMES:
        yield float(value)
