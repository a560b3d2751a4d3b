"""Finds numbers that are written as words: "forty-one", "zweihundert", "oh five"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from text_to_num import find_numbers

from batchscribe_server.text.tokens import Token, words_in

LANGUAGES = frozenset({"da", "de", "en", "es", "fr", "it", "nl", "pt"})
"""The languages in which they are found."""

ZEROS: Mapping[str, frozenset[str]] = {"en": frozenset({"oh", "o", "nought", "naught"})}
"""What a zero is called besides its name."""

_WITHIN_A_NUMBER = re.compile(r"[\s‐‑-]*")  # noqa: RUF001 - hyphens of typesetters


@dataclass(frozen=True, slots=True)
class SpokenNumber:
    """A number in words from `begin` up to `end`; `figures` is how it is written ("41", "3.5", "21st", "05")."""

    begin: int
    end: int
    figures: str
    value: float
    ordinal: bool
    words: tuple[Token, ...]

    @property
    def digits(self) -> int:
        """How many digits it has."""
        return sum(char.isdecimal() for char in self.figures)


def spoken_numbers(text: str, language: str) -> list[SpokenNumber]:
    """The numbers in words, in order; none in a language that is not one of LANGUAGES."""
    if language not in LANGUAGES:
        return []
    words = words_in(text)
    zeros = ZEROS.get(language, frozenset())
    found = find_numbers(_separated_words(text, words, zeros), language, 0.0)
    return [
        SpokenNumber(
            begin=words[number.start].begin,
            end=words[number.end - 1].end,
            figures=number.text,
            value=number.value,
            ordinal=number.is_ordinal,
            words=tuple(words[number.start : number.end]),
        )
        for number in found
    ]


def number_words(words: Sequence[str]) -> list[_NumberWord]:
    """Words of one number, as text2num wants to see them."""
    return [_NumberWord(word, separated=False) for word in words]


class _NumberWord:
    """A word as text2num wants to see it."""

    def __init__(self, word: str, separated: bool) -> None:
        self._word = word
        self._separated = separated

    def text(self) -> str:
        """The word."""
        return self._word

    def text_lowercase(self) -> str:
        """The word in small letters."""
        return self._word

    def nt_separated(self, previous: _NumberWord) -> bool:
        """Whether it can't belong to the same number as the word before."""
        return self._separated

    def not_a_number_part(self) -> bool:
        """Figures are no words."""
        return not self._word.isalpha()


def _separated_words(text: str, words: Sequence[Token], zeros: frozenset[str]) -> list[_NumberWord]:
    separated = [False, *(not _WITHIN_A_NUMBER.fullmatch(text, a.end, b.begin) for a, b in pairwise(words))]
    return [
        _NumberWord("zero" if word.key in zeros else word.text.lower(), apart)
        for word, apart in zip(words, separated, strict=False)
    ]
