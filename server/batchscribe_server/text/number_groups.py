"""Finds where numbers are told in words, each time with all the words that may belong to them.

A number must not be taken out of its neighbourhood: "half a million", "one point five million", "two or three hundred"
mean nothing that one of their words says alone. So what is found are whole groups, and `formatting` writes a group or
leaves it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache

from text_to_num import find_numbers

from batchscribe_server.domain.editing import MASK
from batchscribe_server.domain.marks import SENTENCE_ENDS
from batchscribe_server.text.spoken_numbers import ZEROS, number_words
from batchscribe_server.text.tokens import words_in


class Kind(Enum):
    """What a word is to the numbers near it."""

    NUMBER = auto()
    FIGURE = auto()
    PART = auto()  # of a number, but none itself: "half", "point", "thousands", "Millionen"
    UNIT = auto()
    ARTICLE = auto()
    LINK = auto()  # "and", "or", "to", a comma


@dataclass(frozen=True, slots=True)
class Element:
    """A word of a group, or a comma, from `begin` up to `end`."""

    kind: Kind
    key: str
    begin: int
    end: int


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PARTS: Mapping[str, frozenset[str]] = {
    "en": _words(
        "half halves quarter quarters thirds fourths fifths sixths sevenths eighths ninths tenths elevenths twelfths "
        "twentieths hundredths thousandths millionths hundreds thousands millions billions trillions trillion dozen "
        "dozens point double triple tens teens twenties thirties forties fifties sixties seventies eighties nineties"
    ),
    "de": _words(
        "halb halbe halber halbes halben halbem viertel dreiviertel drittel achtel zehntel eineinhalb anderthalb "
        "anderthalbe komma hunderte hunderten tausende tausenden million millionen milliarde milliarden "
        "billion billionen dutzend dutzende"
    ),
    "fr": _words(
        "demi demie moitié quart quarts tiers virgule centaine centaines millier milliers million millions milliard "
        "milliards douzaine douzaines dizaine dizaines"
    ),
    "es": _words(
        "medio media mitad cuarto cuartos tercio tercios coma punto cientos miles millar millares millón millon "
        "millones docena docenas centenar centenares"
    ),
    "it": _words(
        "mezzo mezza metà quarto quarti terzo terzi virgola centinaio centinaia migliaio migliaia milione milioni "
        "miliardo miliardi dozzina decina decine"
    ),
    "nl": _words(
        "half halve kwart anderhalf anderhalve komma honderden duizenden miljoen miljoenen miljard miljarden dozijn "
        "tiental tientallen"
    ),
    "da": _words(
        "halv halve halvt kvart halvanden halvandet komma hundreder tusinder million millioner milliard milliarder "
        "dusin snes"
    ),
    "pt": _words(
        "meio meia metade quarto quartos terço terços vírgula ponto centos milhar milhares milhão milhões bilhão "
        "bilhões bilião biliões dúzia dúzias dezena dezenas centena centenas"
    ),
}
_UNITS: Mapping[str, frozenset[str]] = {
    "en": _words("dollar dollars euro euros pound pounds sterling cent cents pence percent"),
}
_ARTICLES: Mapping[str, frozenset[str]] = {"en": _words("a an")}
_LINKS: Mapping[str, frozenset[str]] = {
    "en": _words("and or to through till of by per"),
    "de": _words("und oder bis"),
    "fr": _words("et ou à"),
    "es": _words("y o a"),
    "it": _words("e o a"),
    "nl": _words("en of tot"),
    "da": _words("og eller til"),
    "pt": _words("e ou a"),
}
_ADJACENT = re.compile(r"[\s‐‑-]+")  # noqa: RUF001 - hyphens of typesetters
_COMMA = re.compile(r",\s+")
_MASKED = re.compile(f"{MASK}+", re.IGNORECASE)
_TOLD = frozenset({Kind.NUMBER, Kind.FIGURE, Kind.PART})
_GOES_ON = re.compile(r"\.{2,}|…")


def number_groups(text: str, language: str) -> list[tuple[Element, ...]]:
    """The groups in order: adjacent words that are numbers or may belong to one, commas between them included."""
    return [tuple(group) for group in _groups(text, language) if any(each.kind in _TOLD for each in group)]


def is_open(text: str, groups: Sequence[Sequence[Element]]) -> bool:
    """Whether the last of its groups ends a text and may go on in the next one, as where a pause cut a number."""
    if not groups or groups[-1][-1].kind is Kind.UNIT:
        return False
    rest = text[groups[-1][-1].end :]
    marks = "".join(char for char in rest if char in SENTENCE_ENDS)
    return not any(map(str.isalnum, rest)) and (not marks or _GOES_ON.fullmatch(marks) is not None)


def _groups(text: str, language: str) -> Iterator[list[Element]]:
    group: list[Element] = []
    for word in words_in(text):
        kind = _kind(word.key, language)
        between = text[group[-1].end : word.begin] if group else ""
        comma = _COMMA.fullmatch(between) is not None
        if group and (kind is None or not (comma or _ADJACENT.fullmatch(between))):
            yield group
            group = []
        elif comma and kind is not Kind.LINK:
            group.append(Element(Kind.LINK, ",", group[-1].end, group[-1].end + 1))
        if kind is not None:
            # A comma and an "and" are one link, that no single number has within.
            key = f", {word.key}" if group and comma and kind is Kind.LINK else word.key
            group.append(Element(kind, key, word.begin, word.end))
    if group:
        yield group


@lru_cache(maxsize=8192)
def _kind(word: str, language: str) -> Kind | None:
    if any(char.isdecimal() for char in word) or _MASKED.fullmatch(word):
        return Kind.FIGURE
    for kind, known in (
        (Kind.PART, _PARTS),
        (Kind.UNIT, _UNITS),
        (Kind.ARTICLE, _ARTICLES),
        (Kind.LINK, _LINKS),
        (Kind.NUMBER, ZEROS),
    ):
        if word in known.get(language, frozenset()):
            return kind
    return Kind.NUMBER if find_numbers(number_words([word]), language, 0.0) else None
