"""The values of numbers in words: what text2num finds, if it can be read aloud as just these words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from text_to_num import find_numbers

from batchscribe_server.text.number_names import reads_as, reads_as_ordinal
from batchscribe_server.text.passage import Edit
from batchscribe_server.text.spoken_numbers import number_words

LEAST_FIGURE = 10
"""Numbers from this on are written in figures."""

_LAST_DAY = 31
_LEAST_SCALED = 100


@dataclass(frozen=True, slots=True)
class Item:
    """A number of a group: what is written for it, None where its words stay.

    `value` is that of a bare number, to which a scale or a unit may be added; None where it needs none. `scaled` says
    that it ends with its scale ("two hundred"), `in_unit` that it has a unit which those before it may share.
    """

    edit: Edit | None
    value: int | None = None
    scaled: bool = False
    in_unit: bool = False

    def shares_with(self, after: Item) -> bool:
        """Whether the scale or the unit of the next number may be meant for this one too."""
        if self.value is None:
            return False
        return after.in_unit or (after.scaled and not self.scaled and self.value < _LEAST_SCALED)


def figure(key: str) -> Item:
    """A number that is in figures already."""
    return Item(None, value=int(key) if key.isdecimal() else None)


@lru_cache(maxsize=4096)
def cardinal(words: tuple[str, ...], language: str) -> int | None:
    """The whole number that these words are, all of them; None where they are none, or only maybe."""
    found = find_numbers(number_words(words), language, 0.0)
    if len(found) != 1 or found[0].is_ordinal or not found[0].text.isdecimal():
        return None
    value = int(found[0].text)
    return value if reads_as(value, words, language) else None


@lru_cache(maxsize=1024)
def ordinal(words: tuple[str, ...], language: str) -> int | None:
    """The same for ordinal numbers."""
    found = find_numbers(number_words(words), language, 0.0)
    if len(found) != 1 or not found[0].is_ordinal:
        return None
    value = int(found[0].value)
    return value if reads_as_ordinal(value, words, language) else None


def german_day(words: Sequence[str]) -> int | None:
    """The day of a month from the tenth on."""
    day = ordinal(tuple(words), "de")
    return day if day is not None and day <= _LAST_DAY else None
