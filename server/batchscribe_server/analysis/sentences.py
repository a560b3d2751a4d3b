"""A transcript as turns, and turns as sentences, each with who says it and when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import sentencex

from batchscribe_server.domain.transcript import Segment, Transcript

TURN_PAUSE_MS = 2_000
"""A pause this long ends a turn also where the same party goes on."""

MAX_SENTENCE_CHARS = 400
"""A longer sentence, as in text without punctuation, is cut where its segments end."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Segments of one party in a row, in order of their starts. `language` is that of their text."""

    party: str
    language: str
    segments: Sequence[Segment]

    @property
    def start_ms(self) -> int:
        """When it begins."""
        return self.segments[0].start_ms

    @property
    def end_ms(self) -> int:
        """When it ends."""
        return max(segment.end_ms for segment in self.segments)

    @property
    def texts(self) -> list[str]:
        """The texts of its segments, without spaces at their ends, or any but single ones within."""
        return [" ".join(segment.text.split()) for segment in self.segments]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence as it was said; `start_ms` is that of the segment in which it begins."""

    text: str
    party: str
    language: str
    start_ms: int


def turns_of(transcript: Transcript) -> list[Turn]:
    """All turns in order; segments without text are left out."""
    turns: list[Turn] = []
    current: list[Segment] = []
    for segment in transcript.segments:
        if not segment.text.strip():
            continue
        if current and _begins_turn(transcript, current[-1], segment):
            turns.append(_turn(transcript, current))
            current = []
        current.append(segment)
    if current:
        turns.append(_turn(transcript, current))
    return turns


def sentences_of(turn: Turn) -> Iterator[Sentence]:
    """The sentences of a turn. None of them has spaces at its ends, or any but single ones within."""
    texts = turn.texts
    joined = " ".join(texts)
    starts: list[int] = []
    position = 0
    for text in texts:
        starts.append(position)
        position += len(text) + 1
    boundaries = sentencex.get_sentence_boundaries(turn.language or "en", joined)
    for boundary in boundaries:
        begin, end = boundary["start_index"], boundary["end_index"]
        is_long = end - begin > MAX_SENTENCE_CHARS
        cuts = starts[bisect_right(starts, begin) : bisect_left(starts, end)] if is_long else []
        for part_begin, part_end in pairwise([begin, *cuts, end]):
            if text := joined[part_begin:part_end].strip():
                segment = turn.segments[bisect_right(starts, part_begin) - 1]
                yield Sentence(text, turn.party, turn.language, segment.start_ms)


def _begins_turn(transcript: Transcript, before: Segment, segment: Segment) -> bool:
    return (
        transcript.party_of(before) != transcript.party_of(segment)
        or transcript.text_language_of(before) != transcript.text_language_of(segment)
        or segment.start_ms - before.end_ms > TURN_PAUSE_MS
    )


def _turn(transcript: Transcript, segments: Sequence[Segment]) -> Turn:
    return Turn(transcript.party_of(segments[0]), transcript.text_language_of(segments[0]), tuple(segments))
