"""Leaves words out of a segment, with the punctuation that was there for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from batchscribe_server.domain.marks import CLAUSE_ENDS, SENTENCE_ENDS
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.passage import Edit, edited

_MARKS = re.compile(f"[{re.escape(''.join(sorted(SENTENCE_ENDS | CLAUSE_ENDS)))}]*")
_SEPARATORS = re.compile(f"[\\s{re.escape(''.join(sorted(CLAUSE_ENDS)))}]*")

Span = tuple[int, int]


def without(segment: Segment, spans: Sequence[Span], *, with_commas: bool = False) -> Segment:
    """The segment without the stretches of its text that are given in order.

    A mark after what goes moves to the word before, in the place of a comma there; the word that begins a sentence now
    takes the capital letter of the one that did. `with_commas` says that commas after it were there for it, and go.
    """
    text = segment.text
    written: dict[Span, str] = {}
    for begin, end in _joined(text, spans):
        marks = _MARKS.match(text, end)
        assert marks is not None
        before = text[:begin].rstrip()
        last = (len(before) - 1, len(before))
        begins_sentence = not before or before[-1] in SENTENCE_ENDS
        ends_sentence = any(mark in SENTENCE_ENDS for mark in marks.group())
        if marks.group() and not begins_sentence:
            moved = marks.group() if ends_sentence or not with_commas else ""
            kept = "" if before[-1] in CLAUSE_ENDS else written.get(last, before[-1])
            written[last] = kept + moved
        written[begin, marks.end()] = ""
        follower = len(text) - len(text[marks.end() :].lstrip())
        if begins_sentence and not ends_sentence and text[begin].isupper() and follower < len(text):
            written[follower, follower + 1] = text[follower].upper()
    return edited(segment, [Edit(begin, end, new) for (begin, end), new in written.items()])


def _joined(text: str, spans: Iterable[Span]) -> list[Span]:
    """The spans, those as one between which there is nothing but spaces and commas."""
    joined: list[Span] = []
    for begin, end in spans:
        if joined and _SEPARATORS.fullmatch(text, joined[-1][1], begin):
            joined[-1] = joined[-1][0], end
        else:
            joined.append((begin, end))
    return joined
