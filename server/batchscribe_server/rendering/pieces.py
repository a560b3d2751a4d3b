"""What subtitles are made of: the words of a transcript one after the other, each with its time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from uniseg.linebreak import line_break_units

from batchscribe_server.domain.script import is_unspaced, needs_space_between, tokens_of
from batchscribe_server.domain.transcript import Segment


@dataclass(frozen=True, slots=True)
class Piece:
    """A word with its punctuation, or an ideograph.

    `spaced` says whether a space goes before it, unless a line begins. Starts never go back from piece to piece, and
    no piece ends before it starts. `ends_segment` marks the last of a segment. `confidence` is the word's, and the
    segment's where words were not timed.
    """

    text: str
    start_ms: int
    end_ms: int
    spaced: bool
    ends_segment: bool
    confidence: float


def pieces_of(segments: Iterable[Segment]) -> Iterator[Piece]:
    """All pieces of the segments in order. Segments without words have their time shared out by characters."""
    last_start_ms = 0
    for segment in segments:
        timed = _timed_by_words(segment) if segment.words else _timed_by_length(segment)
        for number, (text, spaced, start_ms, end_ms, confidence) in enumerate(timed):
            last_start_ms = max(last_start_ms, start_ms)
            is_last = number == len(timed) - 1
            yield Piece(text, last_start_ms, max(last_start_ms, end_ms), spaced, is_last, confidence)


_Timed = list[tuple[str, bool, int, int, float]]


def _timed_by_words(segment: Segment) -> _Timed:
    """The words as they were timed. Where the segment's text has no space between two, neither have the pieces."""
    timed: _Timed = []
    position = 0
    previous = ""
    for word in segment.words:
        for token in tokens_of(word.text):
            part = token
            found = segment.text.find(token, position)
            between = segment.text[position:found] if found >= 0 else None
            if between is not None and not between.strip():
                spaced = bool(between) and not tokens_of(between)
                position = found + len(token)
                if timed and not spaced:  # a space of another kind is text
                    part = between + part
            else:
                # A model's words are not its text's here: the script must tell.
                spaced = bool(previous) and needs_space_between(previous, part)
            timed.append((part, spaced or not timed, word.start_ms, word.end_ms, word.confidence))
            previous = part
    return timed


def _timed_by_length(segment: Segment) -> _Timed:
    tokens = [_parts(token) for token in tokens_of(segment.text)]
    parts = [(part, number == 0) for token in tokens for number, part in enumerate(token)]
    chars = sum(len(part) for part, _ in parts)
    span_ms = max(0, segment.end_ms - segment.start_ms)
    timed: _Timed = []
    done = 0
    for part, spaced in parts:
        start_ms = segment.start_ms + span_ms * done // chars
        done += len(part)
        timed.append((part, spaced, start_ms, segment.start_ms + span_ms * done // chars, segment.confidence))
    return timed


def _parts(token: str) -> list[str]:
    return list(line_break_units(token)) if is_unspaced(token) else [token]


def text_of(pieces: Sequence[Piece]) -> str:
    """The pieces as one line."""
    return "".join(f" {piece.text}" if piece.spaced and number else piece.text for number, piece in enumerate(pieces))
