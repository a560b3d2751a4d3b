"""How many words were heard wrongly. The usual packages for this normalise spelling too, which a comparison of one
model with itself does not need, and are no part of what the server installs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

_APOSTROPHES = "'\u2019"

# Thai, Lao, Burmese, Khmer, Japanese and Chinese.
_WRITTEN_WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTER_AS_WORD = re.compile(f"([{_WRITTEN_WITHOUT_SPACES}])")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation: "Don't, well-known" is dont, well and known.

    Of scripts that have no spaces between words each letter counts as one.
    """
    letters = "".join(map(_letter, text.lower()))
    return _LETTER_AS_WORD.sub(r" \1 ", letters).split()


def edits(said: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words to change, leave out or put in to make one of the other (Levenshtein 1966)."""
    if not said or not heard:
        return max(len(said), len(heard))
    numbers: dict[str, int] = {}
    said_ids = [numbers.setdefault(word, len(numbers)) for word in said]
    heard_ids = np.array([numbers.setdefault(word, len(numbers)) for word in heard])
    places = np.arange(len(heard) + 1)
    # row[n] is the distance of what was said so far from the first n words heard.
    row = places.copy()
    for count, word in enumerate(said_ids, 1):
        following = np.minimum(row + 1, count + places)
        following[1:] = np.minimum(following[1:], row[:-1] + (heard_ids != word))
        # Words put in cost one each from wherever they begin: a running minimum with the slope taken out.
        row = np.minimum.accumulate(following - places) + places
    return int(row[-1])


def _letter(character: str) -> str:
    if character in _APOSTROPHES:
        return ""
    # Punctuation, symbols, spaces and control characters part words; accents and vowel signs belong to them.
    return " " if unicodedata.category(character)[0] in "PSZC" else character
