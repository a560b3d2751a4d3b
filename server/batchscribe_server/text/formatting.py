"""Writes numbers in figures: "twenty-five dollars" is $25, "nineteen ninety nine" is 1999.

The law: what is written, read aloud again, is what was said, and means the same. So only what is certain is written;
what is in doubt stays in words. Figures are never changed.

Written are, in English: numbers from ten on, ordinal numbers, decimal fractions, millions and billions, money,
percentages, times of day, dates, years, decades, and digits told one by one. In the other languages: numbers from ten
on, what is counted in millions ("12 Millionen"), and days of a month in German ("20. Mai").

Never written are numbers below ten (but as money, percentages, times, dates and digits); scales without a count
("thousands of people", "tausend Dank", "a hundred times", "eine Million"); fractions ("half a million", "two and a
half", "one twentieth"); what shares its scale or its unit ("two or three hundred", "ten to fifteen dollars"); numbers
side by side ("seven eleven", "three sixty", "twenty four seven"), digits that count ("one two three"); names ("Apollo
Thirteen"), and what a pause may have cut at the end of a segment, or continues one there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from batchscribe_server.domain.marks import BEFORE_WORDS, SENTENCE_ENDS
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text import english_numbers
from batchscribe_server.text.number_groups import Element, Kind, is_open, number_groups
from batchscribe_server.text.number_values import LEAST_FIGURE, Item, cardinal, figure, german_day
from batchscribe_server.text.passage import Edit, edited
from batchscribe_server.text.spoken_numbers import LANGUAGES

__all__ = ["LANGUAGES", "Formatter"]

_MOST_ELEMENTS = 32
"""The longest numbers have fewer; it bounds the time that nonsense takes."""


class Formatter:
    """Writes the numbers of one file's segments in their order. Owned by one run."""

    def __init__(self) -> None:
        self._open: dict[int | None, bool] = {}

    def formatted(self, segment: Segment, language: str) -> Segment:
        """The segment with its numbers in figures, where `language` is one of LANGUAGES."""
        if language not in LANGUAGES:
            return segment
        text = segment.text
        edits: list[Edit] = []
        groups = number_groups(text, language)
        if groups and is_open(text, groups):
            groups.pop()
        if groups and self._open.get(segment.channel) and not any(map(str.isalnum, text[: groups[0][0].begin])):
            groups.pop(0)
        for group in groups:
            edits += _edits(text, group, language)
        return edited(segment, edits)

    def recall(self, segment: Segment, language: str) -> None:
        """Take note of how a segment ends, as it is stored."""
        if language in LANGUAGES and segment.text:
            self._open[segment.channel] = is_open(segment.text, number_groups(segment.text, language))


def _edits(text: str, group: Sequence[Element], language: str) -> list[Edit]:
    """What is written for a group: for all of its numbers, or nothing."""
    items = _items(text, _trimmed(group), language)
    if items is None or any(item.shares_with(after) for item, after in pairwise(items)):
        return []
    return [item.edit for item in items if item.edit is not None and _is_no_name(text, item.edit)]


def _trimmed(group: Sequence[Element]) -> Sequence[Element]:
    """The group without the links and articles at its ends that belong to no number."""
    begin, end = 0, len(group)
    while end and group[end - 1].kind in {Kind.LINK, Kind.ARTICLE}:
        end -= 1
    while begin < end and group[begin].kind is Kind.LINK:
        begin += 1
    return group[begin:end]


def _items(text: str, group: Sequence[Element], language: str) -> list[Item] | None:
    """The numbers of a group, which links part; None where some of it is none. Longer ones are preferred."""
    parse = _PARSERS.get(language, _item)
    best: dict[int, list[Item]] = {len(group) + 1: []}
    ends = [index for index, each in enumerate(group) if each.kind is Kind.LINK] + [len(group)]
    for begin in [0, *(end + 1 for end in ends[:-1])][::-1]:
        for end in reversed(ends):
            if begin < end <= begin + _MOST_ELEMENTS and end + 1 in best:
                item = parse(text, group[begin:end], language)
                if item is not None:
                    best[begin] = [item, *best[end + 1]]
                    break
    return best.get(0)


def _item(text: str, elements: Sequence[Element], language: str) -> Item | None:
    """A number in languages other than English."""
    if len(elements) == 1 and elements[0].kind is Kind.FIGURE:
        return figure(elements[0].key)
    counted = elements[:-1] if len(elements) > 1 and elements[-1].kind is Kind.PART else elements
    if len(counted) < len(elements) and elements[-1].key not in _COUNTED.get(language, frozenset()):
        return None
    words = [each.key for each in counted]
    value = cardinal(tuple(words), language)
    if value is None:
        after = text[elements[-1].end :]
        day = german_day(words) if language == "de" and _GERMAN_MONTH.match(after) else None
        return None if day is None else Item(Edit(elements[0].begin, elements[-1].end, f"{day}."))
    edit = Edit(counted[0].begin, counted[-1].end, str(value)) if value >= LEAST_FIGURE else None
    return Item(edit, value=value, scaled=len(counted) < len(elements) or (value >= 100 and not value % 100))


def _is_no_name(text: str, edit: Edit) -> bool:
    """Whether no word of a number has a capital but the first of a sentence."""
    before = text[: edit.begin].rstrip().rstrip("".join(BEFORE_WORDS)).rstrip()
    begins_sentence = not before or before[-1] in SENTENCE_ENDS or before[-1] == ":"
    said = text[edit.begin : edit.end].lstrip()
    return not any(char.isupper() for char in (said[1:] if begins_sentence else said))


_GERMAN_MONTH = re.compile(
    r"\s+(?:Januar|Jänner|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember)\b"
)
_COUNTED: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "da": "millioner milliarder",
        "de": "millionen milliarden",
        "es": "millones",
        "fr": "millions milliards",
        "it": "milioni miliardi",
        "nl": "miljoen miljard",
        "pt": "milhões bilhões biliões",
    }.items()
}

_Parser = Callable[[str, Sequence[Element], str], Item | None]
_PARSERS: Mapping[str, _Parser] = {"en": english_numbers.item}
