"""Entities that can be told by how they are written: addresses, numbers, money, dates. Names can't.

Each piece of text is one entity at most, of the first kind of `_RULES` that takes it. Written dates and money are of
English; what is written in figures alone is found in any language.
"""

# ruff: noqa: RUF001 - the marks of other keyboards look like ours, and are meant
from __future__ import annotations

import re
from collections.abc import Sequence

from batchscribe_server.domain.analysis import Entity, EntityKind
from batchscribe_server.domain.editing import MASKED_DIGITS
from batchscribe_server.domain.transcript import Segment, Transcript

_URL_REST = r"[^\s<>\"']*[^\s<>\"'.,;:!?)]"
_HALF_OF_DAY = r"(?:[aApP]\.[mM]\.|[aApP][mM]\b)"
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?)"
)
_WEEKDAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DAY = r"(?:3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
_YEAR = r"(?:1[5-9]|2[01])\d\d"
_AMOUNT = r"\d{1,3}(?:[,.' ’\u00a0]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?"
_SCALE = r"(?:\s(?:thousand|million|billion|trillion)\b)?"
_CODE = r"(?:USD|EUR|GBP|CHF|JPY|CAD|AUD|INR|CNY)"
_UNIT = rf"(?:dollars?|euros?|pounds?(?:\ssterling)?|cents?|francs?|yen|yuan|rupees?|bucks?|{_CODE})\b"

_RULES: Sequence[tuple[EntityKind, re.Pattern[str]]] = [
    (kind, re.compile(pattern))
    for kind, pattern in (
        (EntityKind.EMAIL_ADDRESS, r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        (EntityKind.URL, rf"(?:https?://|www\.){_URL_REST}"),
        (EntityKind.URL, rf"\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|gov|edu)\b(?:/{_URL_REST})?"),
        (EntityKind.DATE, rf"\b{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])\b"),
        (EntityKind.DATE, rf"\b{_DAY}[./]{_DAY}[./](?:{_YEAR}|\d\d)\b"),
        (EntityKind.DATE, rf"\b(?:{_WEEKDAY},?\s)?(?:the\s)?{_DAY}\s(?:of\s)?{_MONTH}(?:,?\s{_YEAR})?(?!\w)"),
        (EntityKind.DATE, rf"\b(?:{_WEEKDAY},?\s)?{_MONTH}\s(?:the\s)?{_DAY}\b(?:,?\s{_YEAR}\b)?"),
        (EntityKind.DATE, rf"\b{_MONTH}\s(?:of\s)?{_YEAR}\b"),
        (EntityKind.DATE, rf"\b{_WEEKDAY}\b"),
        (EntityKind.TIME, rf"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?:\s?{_HALF_OF_DAY})?"),
        (EntityKind.TIME, rf"\b(?:1[0-2]|0?[1-9])\s?{_HALF_OF_DAY}"),
        (EntityKind.MONEY, rf"(?:\b{_CODE}\s|[$€£¥₹])\s?(?:{_AMOUNT}){_SCALE}"),
        (EntityKind.MONEY, rf"(?<![\d.,])(?:{_AMOUNT})(?:{_SCALE}\s{_UNIT}|\s?[€£¥₹])"),
        (EntityKind.PERCENTAGE, rf"(?<![\d.,])[-−]?(?:{_AMOUNT})\s?(?:%|per\s?cent\b)"),
        # Seven to fifteen digits (E.164): with a plus sign, or in groups.
        (EntityKind.PHONE_NUMBER, r"(?<![\w+])\+\d(?:[\s().-]{0,2}\d){6,14}\b"),
        (
            EntityKind.PHONE_NUMBER,
            r"(?<![\d+.,-])(?=(?:\D{0,2}\d){7,15}\b)\(?\d{2,5}\)?(?:[ .-]\d{2,5}){1,4}\b(?![.,-]?\d)",
        ),
        (EntityKind.NUMBER, rf"(?<![\w.,])[-−]?(?:{_AMOUNT}){_SCALE}(?!\w)"),
    )
]


def entities_of(transcript: Transcript) -> list[Entity]:
    """All that the rules find, in order."""
    return [
        entity_at(transcript, segment, kind, begin, end)
        for segment in transcript.segments
        for kind, begin, end in found_in(segment.text)
    ]


def found_in(text: str) -> list[tuple[EntityKind, int, int]]:
    """The kind of each entity, and where in the text it begins and ends, in order."""
    taken: list[tuple[EntityKind, int, int]] = []
    for kind, pattern in _RULES:
        for match in pattern.finditer(text):
            begin, end = match.span()
            is_free = all(end <= other_begin or other_end <= begin for _, other_begin, other_end in taken)
            if is_free and MASKED_DIGITS.search(match.group()) is None:
                taken.append((kind, begin, end))
    return sorted(taken, key=lambda found: found[1])


def entity_at(transcript: Transcript, segment: Segment, kind: EntityKind, begin: int, end: int) -> Entity:
    """The entity in that part of a segment's text."""
    start_ms, end_ms = _times(segment, begin, end)
    return Entity(kind, segment.text[begin:end], segment.index, start_ms, end_ms, transcript.party_of(segment))


def _times(segment: Segment, begin: int, end: int) -> tuple[int, int]:
    """From the first to the last of the words in that part of the text; the segment's where they don't tell."""
    places = segment.word_places or ()
    said = [
        word
        for word, (word_begin, word_end) in zip(segment.words, places, strict=False)
        if word_begin < end and begin < word_end
    ]
    return (said[0].start_ms, said[-1].end_ms) if said else (segment.start_ms, segment.end_ms)
