"""A segment's text and its words, edited as one: the text always is what the words say, with spaces between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from batchscribe_server.domain.script import needs_space_between, tokens_of
from batchscribe_server.domain.transcript import Segment, Word

_SPACES = re.compile(r"[ \t\n\v\f\r]{2,}")


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Write `text` for the characters from `begin` up to `end`, at least one; spaces left at its sides are joined."""

    begin: int
    end: int
    text: str = ""


def settled(segment: Segment) -> Segment:
    """The segment with a text in which its words are found one after the other, as `edited` needs it."""
    if not segment.words or _places(segment) is not None:
        return segment
    text = segment.words[0].text
    for before, word in pairwise(segment.words):
        text += " " + word.text if needs_space_between(before.text, word.text) else word.text
    return replace(segment, text=text)


def edited(segment: Segment, edits: Iterable[Edit]) -> Segment:
    """A settled segment after edits that do not overlap.

    Words that one edit touches are merged or cut anew, and share their time by characters; where their number stays,
    each keeps its own.
    """
    ordered = sorted(edits)
    if not ordered:
        return segment
    text = ""
    words: list[Word] = []
    position = 0
    for passage in _passages(segment, ordered):
        text += segment.text[position : passage.begin]
        written = passage.written(segment.text)
        text += written
        words += _retimed(passage.words, tokens_of(written)) if passage.edits else passage.words
        position = passage.end
    text += segment.text[position:]
    return replace(segment, text=_SPACES.sub(" ", text).strip(), words=tuple(words))


@dataclass(slots=True)
class _Passage:
    """A stretch of text, the words that lie in it, and the edits of it."""

    begin: int
    end: int
    words: list[Word]
    edits: list[Edit]

    def written(self, text: str) -> str:
        """What stands there afterwards."""
        written = ""
        position = self.begin
        for edit in self.edits:
            written += text[position : edit.begin] + edit.text
            position = edit.end
        return written + text[position : self.end]


def _passages(segment: Segment, edits: Sequence[Edit]) -> list[_Passage]:
    """The smallest stretches that no word and no edit crosses, in order."""
    places = _places(segment)
    assert places is not None, "the segment is settled"
    parts = [_Passage(edit.begin, edit.end, [], [edit]) for edit in edits]
    parts += [_Passage(begin, end, [word], []) for (begin, end), word in zip(places, segment.words, strict=True)]
    parts.sort(key=lambda part: (part.begin, part.end))
    passages: list[_Passage] = []
    for part in parts:
        if passages and part.begin < passages[-1].end:
            last = passages[-1]
            last.end = max(last.end, part.end)
            last.words += part.words
            last.edits += part.edits
        else:
            passages.append(part)
    return _with_words(passages) if segment.words else passages


def _with_words(passages: Sequence[_Passage]) -> list[_Passage]:
    """The passages, those between words taken to the word before, or the one after: what is written there is said."""
    joined: list[_Passage] = []
    for passage in passages:
        if joined and not (passage.words and joined[-1].words):
            last = joined[-1]
            last.end = passage.end
            last.words += passage.words
            last.edits += passage.edits
        else:
            joined.append(passage)
    return joined


def _places(segment: Segment) -> list[tuple[int, int]] | None:
    """Where each word stands in the text; None where one does not, or where other words stand between."""
    places = segment.word_places
    if not places:
        return places
    bounds = pairwise([(0, 0), *places, (len(segment.text), 0)])
    stands_between = any(char.isalnum() for (_, end), (begin, _) in bounds for char in segment.text[end:begin])
    return None if stands_between else places


def _retimed(words: Sequence[Word], texts: Sequence[str]) -> list[Word]:
    if not words or not texts:
        return []
    if len(texts) == len(words):
        return [replace(word, text=text) for word, text in zip(words, texts, strict=True)]
    start_ms, span_ms = words[0].start_ms, max(0, words[-1].end_ms - words[0].start_ms)
    ends = list(accumulate(len(text) for text in texts))
    times_ms = [start_ms + span_ms * end // ends[-1] for end in (0, *ends)]
    confidence = sum(word.confidence for word in words) / len(words)
    return [
        Word(text, begin_ms, end_ms, confidence, words[0].speaker)
        for text, (begin_ms, end_ms) in zip(texts, pairwise(times_ms), strict=True)
    ]
