"""What English numbers are written as: the grammar of what is certain."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from batchscribe_server.text.number_groups import Element, Kind
from batchscribe_server.text.number_values import LEAST_FIGURE, Item, cardinal, figure, ordinal
from batchscribe_server.text.passage import Edit
from batchscribe_server.text.spoken_numbers import ZEROS

_LEAST_GROUPED = 10_000
_FEWEST_DIGITS_TOLD = 3
_FEWEST_DIGITS_AFTER_OH = 7
_LOCAL_NUMBER_DIGITS = 7
_FIRST_CENTURY, _LAST_CENTURY = 16, 20

_DIGITS: Mapping[str, str] = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", **dict.fromkeys(ZEROS["en"], "0"),
}  # fmt: skip
_SCALES = frozenset({"million", "billion"})
_BARE_SCALES = frozenset({"hundred", "thousand"}) | _SCALES
_CURRENCIES: Mapping[str, str] = {"dollar": "$", "dollars": "$", "euro": "€", "euros": "€"}
_DECADES: Mapping[str, int] = {
    "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80,
    "nineties": 90,
}  # fmt: skip
_HALF_OF_DAY = re.compile(r"\s+(?=[ap]\.?\s?m\b)", re.IGNORECASE)
_O_CLOCK = re.compile(r"\s+(?=o['’]clock\b)", re.IGNORECASE)  # noqa: RUF001
_MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\s+(?:the\s+)?$"
)
_BEFORE_YEAR = re.compile(
    r"\b(?:in|by|since|until|till|from|to|of|year|for|before|after|around|during)\s+(?:the\s+year\s+)?$", re.IGNORECASE
)

_Words = tuple[str, ...]


def item(text: str, elements: Sequence[Element], _language: str) -> Item | None:
    """The number that the elements are, all of them; None where they are none for certain."""
    words = tuple(each.key for each in elements)
    begin, end = elements[0].begin, elements[-1].end
    if len(elements) == 1 and elements[0].kind is Kind.FIGURE:
        return figure(elements[0].key)
    if elements[0].kind is Kind.ARTICLE:
        return _after_article(text, elements)
    date = _date(text, words, begin)
    if date is not None:
        return Item(Edit(begin - date[1], end, date[0]))
    time = _time(text, words, end)
    if time is not None:
        return Item(Edit(begin, end, time), in_unit=True)
    figures = _digits(words) or _year(text[:begin], words) or _decade(words)
    if figures is not None:
        return Item(Edit(begin, end, figures))
    if elements[-1].kind is Kind.UNIT:
        return _in_unit(elements, words, begin)
    return _plain(text, words, begin, end)


def _after_article(text: str, elements: Sequence[Element]) -> Item | None:
    """As "a hundred and five": one; but "a twenty percent rise" keeps its article."""
    if len(elements) == 1:
        return None
    if elements[0].key == "a" and elements[1].key in _BARE_SCALES:
        first = elements[0]
        counted = (Element(Kind.NUMBER, "one", first.begin, first.end), *elements[1:])
        alone = len(elements) == 2 or elements[-1].key in {"dollar", "euro"}
        found = item(text, counted, "en")
        return Item(None, found.value, found.scaled) if found is not None and alone else found
    found = item(text, elements[1:], "en")
    is_ordinal = found is not None and ordinal(tuple(each.key for each in elements[1:]), "en") is not None
    return Item(None) if is_ordinal else found


def _plain(text: str, words: _Words, begin: int, end: int) -> Item | None:
    amount = _amount(words)
    if amount is not None:
        value = cardinal(words, "en")
        stays = value is not None and value < LEAST_FIGURE
        return Item(None if stays else Edit(begin, end, amount), value or 0, words[-1] in _BARE_SCALES)
    nth = ordinal(words, "en")
    if nth is None:
        return None
    if nth < LEAST_FIGURE:
        return Item(None)
    # "A twenty second delay" is none of the twenty-second.
    if words[-1] == "second" and "-" not in text[begin:end]:
        return None
    return Item(Edit(begin, end, _nth(nth)))


def _amount(words: _Words) -> str | None:
    """A number with what a sign may stand at: "25", "3.14", "10,000", "1.5 million"."""
    value = cardinal(words, "en")
    if words and words[-1] in _SCALES:
        count = cardinal(words[:-1], "en")
        counted = _decimal(words[:-1]) or (str(count) if count is not None and 0 < count < 1000 else None)
        return f"{counted} {words[-1]}" if counted is not None else None
    if value is not None:
        return _grouped(value)
    return _decimal(words)


def _grouped(value: int) -> str:
    return f"{value:,}" if value >= _LEAST_GROUPED else str(value)


def _decimal(words: _Words) -> str | None:
    """As in "three point one four"."""
    if words.count("point") != 1:
        return None
    point = words.index("point")
    whole = cardinal(words[:point], "en")
    digits = [_DIGITS.get(word) for word in words[point + 1 :]]
    if whole is None or not digits or None in digits:
        return None
    return f"{_grouped(whole)}." + "".join(filter(None, digits))


def _in_unit(elements: Sequence[Element], words: _Words, begin: int) -> Item | None:
    """A percentage or money. Pounds are money where pence or sterling says so."""
    end = elements[-1].end
    percent = 2 if words[-2:] == ("per", "cent") else int(words[-1] == "percent")
    if percent:
        amount = _amount(words[:-percent])
        return None if amount is None else Item(Edit(begin, end, f"{amount}%"))
    units = [index for index, each in enumerate(elements) if each.kind is Kind.UNIT]
    amount = _amount(words[: units[0]])
    if amount is None:
        return None
    unit, rest = words[units[0]], words[units[0] + 1 :]
    if unit in _CURRENCIES and not rest:
        return Item(Edit(begin, end, _CURRENCIES[unit] + amount), in_unit=True)
    if unit in {"pound", "pounds"} and rest == ("sterling",):
        return Item(Edit(begin, end, f"£{amount}"), in_unit=True)
    if not rest:  # pounds of weight, and cents
        value = cardinal(words[:-1], "en")
        stays = value is not None and value < LEAST_FIGURE
        return Item(None if stays else Edit(begin, elements[units[0] - 1].end, amount), in_unit=True)
    rest = rest[1:] if rest[0] == "sterling" else rest
    rest = rest[1:] if rest[:1] == ("and",) else rest
    cents = cardinal(rest[:-1], "en") if rest else None
    pound = unit in {"pound", "pounds"}
    fits = rest[-1:] == ("pence",) if pound else rest[-1:] in {("cent",), ("cents",)}
    if not fits or cents is None or not 0 < cents < 100 or cardinal(words[: units[0]], "en") is None:
        return None
    if words[units[0] - 1] in _SCALES or not (pound or unit in _CURRENCIES):
        return None
    return Item(Edit(begin, end, f"{'£' if pound else _CURRENCIES[unit]}{amount}.{cents:02}"), in_unit=True)


def _digits(words: _Words) -> str | None:
    """Digits one by one: "five five five one two three four", and after "eight hundred" those of a telephone."""
    digits = "".join(_DIGITS.get(word, "?") for word in words)
    free = len(words) - _LOCAL_NUMBER_DIGITS - 2
    if free in {0, 1} and words[free + 1] == "hundred":
        area, local = f"{digits[free]}00", digits[free + 2 :]
        known = area.isdecimal() and local.isdecimal() and words[0] in {"one", words[free]} and area != "000"
        return f"{'1-' * free}{area}-{_grouped_digits(local)}" if known else None
    fewest = _FEWEST_DIGITS_AFTER_OH if words[0] in ZEROS["en"] else _FEWEST_DIGITS_TOLD
    steps = {int(after) - int(before) for before, after in pairwise(digits)} if digits.isdecimal() else set()
    counts = steps <= {1} or steps <= {-1}
    return _grouped_digits(digits) if len(digits) >= fewest and digits.isdecimal() and not counts else None


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


def _year(before: str, words: _Words) -> str | None:
    """As in "nineteen ninety-nine" and "twenty oh five"."""
    century = cardinal(words[:1], "en")
    if century is None or not _FIRST_CENTURY <= century <= _LAST_CENTURY:
        return None
    rest = words[1:]
    if len(rest) == 2 and rest[0] in ZEROS["en"] and rest[1] in _DIGITS and _DIGITS[rest[1]] != "0":
        return f"{century}0{_DIGITS[rest[1]]}"
    years = cardinal(rest, "en") if rest else None
    if years is None or not LEAST_FIGURE <= years < 100 or "and" in rest:
        return None
    # "Eighteen nineteen year olds", "twenty thirty people" are about as many.
    if years in {century + 1, century + 10} and not _BEFORE_YEAR.search(before):
        return None
    return f"{century}{years}"


def _decade(words: _Words) -> str | None:
    """As in "nineteen nineties" and "eighteen hundreds"."""
    if len(words) != 2:
        return None
    century = cardinal(words[:1], "en")
    if century is None or not _FIRST_CENTURY <= century <= _LAST_CENTURY:
        return None
    if words[1] == "hundreds" and century < _LAST_CENTURY:
        return f"{century}00s"
    return f"{century}{_DECADES[words[1]]}s" if words[1] in _DECADES else None


def _date(text: str, words: _Words, begin: int) -> tuple[str, int] | None:
    """As in "May twenty-first twenty twenty-four": May 21, 2024; and how many characters before it go."""
    month = _MONTH.search(text[:begin])
    if month is None:
        return None
    goes = len(month.group()) - len(month.group().split()[0])
    for length in range(min(2, len(words)), 0, -1):
        day = ordinal(words[:length], "en")
        if day is None or not 1 <= day <= 31:
            continue
        rest = words[length + 1 :] if words[length : length + 1] == (",",) else words[length:]
        if not rest and length == len(words):
            return f" {day}", goes
        year = _year("in ", rest) if rest else None
        if year is None and rest:
            value = cardinal(rest, "en")
            year = str(value) if value is not None and 1000 <= value < 10_000 else None
        return (f" {day}, {year}", goes) if year is not None else None
    return None


def _time(text: str, words: _Words, end: int) -> str | None:
    """As in "three thirty p.m.": 3:30 p.m."""
    hour = cardinal(words[:1], "en")
    if hour is None or not 1 <= hour <= 12:
        return None
    half_of_day = _HALF_OF_DAY.match(text, end)
    if len(words) == 1:
        return str(hour) if half_of_day or _O_CLOCK.match(text, end) else None
    if half_of_day is None:
        return None
    rest = words[1:]
    if len(rest) == 2 and rest[0] in ZEROS["en"] and rest[1] in _DIGITS:
        return f"{hour}:0{_DIGITS[rest[1]]}"
    minute = cardinal(rest, "en")
    return f"{hour}:{minute}" if minute is not None and 10 <= minute < 60 else None


def _nth(value: int) -> str:
    last = value % 10 if value // 10 % 10 != 1 else 0
    return f"{value}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th') }"
