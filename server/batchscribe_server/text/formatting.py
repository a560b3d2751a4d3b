"""Writes numbers as people write them: "twenty-five dollars" is $25, "nineteen ninety nine" is 1999.

Whisper writes most numbers in figures by itself; what is changed here is what it left in words, so figures are never
changed. Numbers below ten stay words but for money, percentages, times, dates and digits told one by one. Money and
the like are written so in English alone; elsewhere numbers from ten on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile

from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.passage import Edit, edited
from batchscribe_server.text.spoken_numbers import LANGUAGES, SpokenNumber, spoken_numbers

__all__ = ["LANGUAGES", "with_figures"]

_LEAST_FIGURE = 10
_LEAST_GROUPED = 10_000
_LEAST_IN_MILLIONS = 1_000_000
_FEWEST_DIGITS_TOLD = 3

_CURRENCIES: Mapping[str, str] = {"dollar": "$", "euro": "€", "pound sterling": "£"}
_CURRENCY = re.compile(r"\s+(dollar|euro|pound)s?\b(\s+sterling\b)?", re.IGNORECASE)
_CENTS = re.compile(r"\s+(?:cents?|pence)\b", re.IGNORECASE)
_AND = re.compile(r"\s+(?:and\s+)?")
_PERCENT = re.compile(r"\s+per\s?cent\b", re.IGNORECASE)
_HALF_OF_DAY = re.compile(r"\s+(?=[ap]\.?\s?m\b)", re.IGNORECASE)
_O_CLOCK = re.compile(r"\s+(?=o['’]clock\b)", re.IGNORECASE)  # noqa: RUF001
_INDEFINITE = re.compile(r"\ba\s+$", re.IGNORECASE)
_MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+(?:the\s+)?$"
)
_AFTER_FIGURES = re.compile(r"\d[\s-]$")  # 2 million
_BEFORE_YEAR = re.compile(r",?\s+")

# What is written for the numbers from one on, and how many of them it takes; None where it is no such thing.
_Rule = Callable[[str, Sequence[SpokenNumber]], tuple[Edit, int] | None]


def with_figures(segment: Segment, language: str) -> Segment:
    """The segment with its numbers in figures, where `language` is one of LANGUAGES."""
    text = segment.text
    numbers = [number for number in spoken_numbers(text, language) if not _AFTER_FIGURES.search(text[: number.begin])]
    rules = _ENGLISH if language == "en" else (_plain,)
    edits: list[Edit] = []
    while numbers:
        taken = next(filter(None, (rule(text, numbers) for rule in rules)), None)
        if taken is not None:
            edits.append(taken[0])
        numbers = numbers[taken[1] if taken is not None else 1 :]
    return edited(segment, edits)


def _adjacent(text: str, numbers: Sequence[SpokenNumber]) -> bool:
    """Whether a second number follows the first with nothing but a space or a hyphen between."""
    return len(numbers) > 1 and text[numbers[0].end : numbers[1].begin] in {" ", "-"}


def _told_digits(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    """Digits one by one: "five five five one two three four"."""
    told = list(takewhile(_is_told, numbers))
    count = next((k for k in range(1, len(told)) if not _adjacent(text, told[k - 1 :])), len(told))
    figures = "".join(number.figures for number in told[:count])
    if len(figures) < _FEWEST_DIGITS_TOLD:
        return None
    return Edit(told[0].begin, told[count - 1].end, _grouped_digits(figures)), count


def _is_told(number: SpokenNumber) -> bool:
    one_by_one = number.figures.isdecimal() and len(number.figures) == len(number.words)
    return one_by_one and number.value < _LEAST_FIGURE and not number.ordinal


def _grouped_digits(figures: str) -> str:
    match len(figures):
        case 7:
            return f"{figures[:3]}-{figures[3:]}"
        case 10:
            return f"{figures[:3]}-{figures[3:6]}-{figures[6:]}"
        case 11 if figures[0] == "1":
            return f"1-{_grouped_digits(figures[1:])}"
        case 16:
            return " ".join(figures[begin : begin + 4] for begin in range(0, 16, 4))
        case _:
            return figures


def _date(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    """As in "May twenty-first twenty twenty-four": May 21, 2024."""
    day = numbers[0]
    if not (day.ordinal and 1 <= day.value <= 31 and (month := _MONTH.search(text[: day.begin]))):
        return None
    begin = month.start() + len(month.group().split()[0])
    if len(numbers) > 1 and _BEFORE_YEAR.fullmatch(text, day.end, numbers[1].begin):
        if (year := _year(text, numbers[1:])) is not None:
            return Edit(begin, year[0].end, f" {day.value:.0f}, {year[0].text}"), 1 + year[1]
        if numbers[1].digits == 4 and not numbers[1].ordinal:
            return Edit(begin, numbers[1].end, f" {day.value:.0f}, {numbers[1].value:.0f}"), 2
    return Edit(begin, day.end, f" {day.value:.0f}"), 1


def _time(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    """As in "three thirty p.m.": 3:30 p.m."""
    hour = numbers[0]
    if hour.ordinal or not (hour.figures.isdecimal() and 1 <= hour.value <= 12):
        return None
    if _HALF_OF_DAY.match(text, hour.end) or _O_CLOCK.match(text, hour.end):
        return Edit(hour.begin, hour.end, hour.figures), 1
    if not _adjacent(text, numbers):
        return None
    minute = numbers[1]
    if len(minute.figures) == 2 and minute.value < 60 and _HALF_OF_DAY.match(text, minute.end):
        return Edit(hour.begin, minute.end, f"{hour.figures}:{minute.figures}"), 2
    return None


def _year(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    """As in "nineteen ninety-nine" and "twenty oh five"."""
    if not _adjacent(text, numbers) or not 16 <= numbers[0].value <= 20 or numbers[0].ordinal:
        return None
    century, rest = numbers[0], numbers[1]
    if len(rest.figures) != 2 or not rest.figures.isdecimal() or not century.figures.isdecimal():
        return None
    return Edit(century.begin, rest.end, century.figures + rest.figures), 2


def _money(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    """As in "twenty-five dollars and fifty cents": $25.50. Pounds are money where pence or sterling says so."""
    amount = numbers[0]
    unit = _CURRENCY.match(text, amount.end)
    if unit is None or amount.ordinal:
        return None
    begin = _with_article(text, amount)
    cents = _cents_after(text, unit.end(), numbers)
    is_pound = unit[1].lower() == "pound"
    if is_pound and not (unit[2] or cents):
        return None
    symbol = "£" if is_pound else _CURRENCIES[unit[1].lower()]
    if cents is None:
        return Edit(begin, unit.end(), symbol + _figures(amount)), 1
    return Edit(begin, cents[1], f"{symbol}{_figures(amount)}.{cents[0]:02}"), 2


def _cents_after(text: str, position: int, numbers: Sequence[SpokenNumber]) -> tuple[int, int] | None:
    """The cents that are told after whole units, and where they end."""
    if len(numbers) < 2 or not _AND.fullmatch(text, position, numbers[1].begin):
        return None
    cents = numbers[1]
    unit = _CENTS.match(text, cents.end)
    if unit is None or not (cents.figures.isdecimal() and cents.value < 100 and numbers[0].figures.isdecimal()):
        return None
    return int(cents.value), unit.end()


def _percentage(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    unit = _PERCENT.match(text, numbers[0].end)
    if unit is None or numbers[0].ordinal:
        return None
    return Edit(_with_article(text, numbers[0]), unit.end(), _figures(numbers[0]) + "%"), 1


def _english_figure(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    number = numbers[0]
    if number.value < _LEAST_FIGURE and "." not in number.figures:
        return None
    return Edit(_with_article(text, number), number.end, _figures(number)), 1


def _plain(text: str, numbers: Sequence[SpokenNumber]) -> tuple[Edit, int] | None:
    number = numbers[0]
    return None if number.value < _LEAST_FIGURE else (Edit(number.begin, number.end, number.figures), 1)


def _with_article(text: str, number: SpokenNumber) -> int:
    """Where "a hundred" begins."""
    article = _INDEFINITE.search(text[: number.begin])
    return article.start() if article and number.words[0].key in {"hundred", "thousand", "million"} else number.begin


def _figures(number: SpokenNumber) -> str:
    """With commas from ten thousand on; round millions as 2.5 million."""
    if number.ordinal or not number.figures.isdecimal() or number.value < _LEAST_GROUPED:
        return number.figures
    whole = int(number.value)
    if whole >= _LEAST_IN_MILLIONS and whole % (_LEAST_IN_MILLIONS // 10) == 0 and whole < 1_000 * _LEAST_IN_MILLIONS:
        return f"{whole / _LEAST_IN_MILLIONS:g} million"
    return f"{whole:,}"


_ENGLISH: tuple[_Rule, ...] = (_date, _time, _told_digits, _year, _money, _percentage, _english_figure)
