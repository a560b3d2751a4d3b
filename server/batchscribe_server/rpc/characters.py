"""Which characters the texts of clients may hold, in every script."""

from __future__ import annotations

import unicodedata

_REACH_BEYOND = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Embeddings, overrides and isolates of the bidirectional algorithm: they can turn round the text that follows. The
marks that reach no further than themselves (U+200E, U+200F, U+061C) are allowed, as Hebrew and Arabic need them."""

_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Controls, surrogates, and what ends a line or a paragraph."""


def refused_character(text: str) -> str:
    """The first character that is not allowed, as "U+202E"; empty if there is none.

    All that a script is written with is allowed: joiners and non-joiners, spaces of any kind, emoji, private use, and
    what this Python's Unicode has not assigned yet.
    """
    return next((f"U+{ord(char):04X}" for char in text if _is_refused(char)), "")


def _is_refused(char: str) -> bool:
    return char in _REACH_BEYOND or _is_noncharacter(ord(char)) or unicodedata.category(char) in _REFUSED_CATEGORIES


def _is_noncharacter(code: int) -> bool:
    return 0xFDD0 <= code <= 0xFDEF or code & 0xFFFE == 0xFFFE
