"""Segments as they are heard, and what the steps of `text` make of them."""

from __future__ import annotations

from batchscribe_server import text
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Segment, Word


def said(words: str, language: str = "en", *, channel: int | None = None, index: int = 0) -> Segment:
    """A segment whose words, as they are parted by spaces, take 400 ms each, 100 ms apart."""
    start_ms = 20_000 * index
    parts = words.split()
    timed = [Word(part, start_ms + 500 * k, start_ms + 500 * k + 400, 0.5) for k, part in enumerate(parts)]
    return Segment(index, start_ms, start_ms + 500 * len(parts), words, language, 0.9, tuple(timed), channel)


def edited(segment: Segment, config: RecognitionConfig) -> Segment:
    """The segment after all that the config asks for."""
    editor = text.editor(config)
    assert editor is not None
    return editor.edit(segment)


def words_of(segment: Segment) -> str:
    """What its words say."""
    return " ".join(word.text for word in segment.words)
