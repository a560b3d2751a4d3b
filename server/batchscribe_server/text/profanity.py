"""Masks profane words, or leaves them out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from batchscribe_server.domain.recognition import ProfanityFilter
from batchscribe_server.domain.script import GOES_ON, needs_space_between
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.passage import Edit, edited
from batchscribe_server.text.profane_words import LANGUAGES, profane_words
from batchscribe_server.text.removal import Span, without
from batchscribe_server.text.tokens import Token, words_in

__all__ = ["LANGUAGES", "without_profanity"]

_LONGEST_PHRASE_WORDS = 5
_LETTERS = re.compile(rf"[^\W_][{GOES_ON}]*")


def without_profanity(segment: Segment, language: str, filter: ProfanityFilter) -> Segment:
    """The segment with all but the first letter of profane words as asterisks, or without the words."""
    if filter is ProfanityFilter.NONE:
        return segment
    spans = list(_profane(segment.text, language))
    if filter is ProfanityFilter.REMOVE:
        return without(segment, spans)
    return edited(segment, [edit for begin, end in spans for edit in _masks(segment.text, begin, end)])


def _masks(text: str, begin: int, end: int) -> Iterator[Edit]:
    """Every word of a phrase by itself, so that none loses its time."""
    for word in words_in(text[begin:end]):
        first = _LETTERS.match(word.text)
        assert first is not None, "words begin with a letter"
        rest = _LETTERS.sub("*", word.text[first.end() :])
        yield Edit(begin + word.begin, begin + word.end, first.group() + rest)


def _profane(text: str, language: str) -> Iterator[Span]:
    """Where profane words and phrases stand, the longest first where several begin."""
    within = _within_words(language)
    if within is not None:
        yield from (found.span() for found in within.finditer(text))
        return
    known = profane_words(language)
    words = words_in(text)
    position = 0
    for index, word in enumerate(words):
        if word.begin < position:
            continue
        phrases = [words[index : index + count] for count in range(_LONGEST_PHRASE_WORDS, 0, -1)]
        found = next((phrase for phrase in phrases if _is_known(text, phrase, known)), None)
        if found is not None:
            position = found[-1].end
            yield word.begin, position


def _is_known(text: str, phrase: list[Token], known: frozenset[str]) -> bool:
    if not all(text[a.end : b.begin] in {" ", "-"} for a, b in pairwise(phrase)):
        return False
    return " ".join(word.key for word in phrase) in known


@cache
def _within_words(language: str) -> re.Pattern[str] | None:
    """One expression for a language whose words are not told by spaces: there they are found anywhere."""
    words = [word for word in profane_words(language) if not needs_space_between(word, word) and len(word) > 1]
    if not words or len(words) * 2 < len(profane_words(language)):
        return None
    return re.compile("|".join(re.escape(word) for word in sorted(words, key=len, reverse=True)))
