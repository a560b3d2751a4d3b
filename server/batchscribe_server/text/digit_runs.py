"""Finds runs of digits as they are dictated: in figures, as words, in groups, with pauses and fillers between."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchscribe_server.domain.editing import MASK
from batchscribe_server.text import spoken_numbers
from batchscribe_server.text.tokens import words_in

_FIGURES = re.compile(r"\d+")
_MASKS = re.compile(f"{MASK}+")
_IDEOGRAPHS = re.compile("[〇零一二三四五六七八九十百千万]")
_IDEOGRAPHIC = frozenset({"ja", "zh", "yue"})
LANGUAGES = spoken_numbers.LANGUAGES | _IDEOGRAPHIC
"""The languages in which digits in words are found; figures are in any."""

# How often the digit that follows is told besides.
_MULTIPLES = {"double": 1, "triple": 2}

# What is said between the digits of one number, besides punctuation.
_SAID_BETWEEN = """
and then dash hyphen minus space slash dot point plus okay ok yes yeah yep right so uh um er erm hm hmm mhm mm
und dann strich bindestrich ja äh ähm et puis tiret oui euh y luego guion guión sí eh e poi trattino si hífen sim en
streepje og bindestreg
"""
_BETWEEN = frozenset(_SAID_BETWEEN.split())
_MOST_BETWEEN = 2


@dataclass(frozen=True, slots=True, order=True)
class DigitPart:
    """A figure of one digit or more, or a number in words, from `begin` up to `end`, and how many digits it has."""

    begin: int
    end: int
    digits: int


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Digits that belong together, by the stretches of text that tell them.

    `at_start` and `at_end` say that nothing but what may stand between digits is before, or after, in the text.
    """

    parts: tuple[DigitPart, ...]
    at_start: bool
    at_end: bool

    @property
    def digits(self) -> int:
        """How many there are."""
        return sum(part.digits for part in self.parts)


def digit_runs(text: str, language: str, *, masked: bool = False) -> list[DigitRun]:
    """The runs in a text in order; with `masked`, what was masked before counts as digits too."""
    parts = sorted(_parts(text, language, masked))
    if not parts:
        return []
    joined = [[parts[0]]]
    for part in parts[1:]:
        if is_between_digits(text[joined[-1][-1].end : part.begin]):
            joined[-1].append(part)
        else:
            joined.append([part])
    first, last = joined[0], joined[-1]
    starts, ends = is_between_digits(text[: first[0].begin]), is_between_digits(text[last[-1].end :])
    return [DigitRun(tuple(run), starts and run is first, ends and run is last) for run in joined]


def is_between_digits(text: str) -> bool:
    """Whether the text is punctuation, with two words at most that are said between digits."""
    words = words_in(text)
    return len(words) <= _MOST_BETWEEN and all(word.key in _BETWEEN for word in words)


def _parts(text: str, language: str, masked: bool) -> Iterable[DigitPart]:
    """All that tells digits, in no order."""
    figures = _counted(_FIGURES.finditer(text))
    yield from figures
    if language in _IDEOGRAPHIC:
        yield from _counted(_IDEOGRAPHS.finditer(text))
    numbers = spoken_numbers.spoken_numbers(text, language)
    yield from (DigitPart(number.begin, number.end, number.digits) for number in numbers)
    if masked:
        # "AB12" is "ABXX": masks count wherever they stand, but not the letter in "SIX".
        for masks in _counted(_MASKS.finditer(text)):
            if not any(number.begin < masks.end <= number.end for number in numbers):
                yield masks
    if language == "en":
        followed = {number.begin for number in numbers} | {figure.begin for figure in figures}
        for word in words_in(text):
            if word.key in _MULTIPLES and word.end + 1 in followed:
                yield DigitPart(word.begin, word.end, _MULTIPLES[word.key])


def _counted(found: Iterable[re.Match[str]]) -> Sequence[DigitPart]:
    return [DigitPart(*match.span(), len(match.group())) for match in found]
