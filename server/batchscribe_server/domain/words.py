"""Words as they are written, and the marks that stand at them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchscribe_server.domain.marks import AFTER_WORDS, APOSTROPHES, BEFORE_WORDS, BRACKETS

_OPENED_BY = {opening: closing for closing, opening in BRACKETS.items()}

# Marks of several signs, and a hyphen that stands alone for a dash.
_LONG_MARK_AFTER = re.compile(r"(?:\.{2,}|…+|-{2,}|\A-)\Z")
_LONG_MARK_BEFORE = re.compile(r"\.{2,}|…+|-{2,}")

# "U.S.", "e.g.", "Ph.D.", "z.B.": letters, each few followed by a dot.
_DOTTED = re.compile(r"(?:[^\W\d_]{1,3}\.){2,}")

# Whose dot is part of the word. Those that are also whole sentences ("No.", "Art.") are not among them.
_LISTED_ABBREVIATIONS = """
    dr mr mrs ms prof st sr jr vs etc approx dept est govt inc ltd corp mt rev hon gen col capt lt sgt
    bzw usw ca nr str evtl ggf inkl zzgl hr fr dipl ing
    mme mlle env sra srta dra ud uds dott sig av
"""
_ABBREVIATIONS = frozenset(_LISTED_ABBREVIATIONS.split())

# Words whose beginning is left out: the apostrophe is part of them.
_ELISIONS = frozenset({"em", "cause", "til", "till", "tis", "twas", "n", "bout", "round", "cuz", "sup", "s", "t"})


@dataclass(frozen=True, slots=True)
class MarkedWord:
    """A word in its parts, which joined are the text again: the marks before it, the bare word, the marks after it.

    An ellipsis of several dots is one mark. `word` is empty where there are marks alone.
    """

    opening: tuple[str, ...]
    word: str
    closing: tuple[str, ...]


def marked_word(text: str) -> MarkedWord:
    """A word without spaces, parted from its marks.

    What belongs to the word stays: the dots of "Dr." and "U.S.", all that stands inside ("3.14", "rock'n'roll"), signs
    that are no punctuation ("$5", "10%", "C++"), apostrophes for what is left out ("'em", "goin'", "dogs'") and
    brackets that open or close within ("file(s)"). Nothing but the word is looked at, so that the dot of an
    abbreviation that ends a sentence is the word's.
    """
    rest = text
    closing: list[str] = []
    while mark := _mark_after(rest):
        closing.append(mark)
        rest = rest[: -len(mark)]
    opening: list[str] = []
    while mark := _mark_before(rest):
        opening.append(mark)
        rest = rest[len(mark) :]
    return MarkedWord(tuple(opening), rest, tuple(reversed(closing)))


def _mark_after(text: str) -> str:
    if long_mark := _LONG_MARK_AFTER.search(text):
        return long_mark.group()
    mark = text[-1:]
    if mark not in AFTER_WORDS or not mark:
        return ""
    if mark == "." and _is_abbreviation(text):
        return ""
    if mark in APOSTROPHES and _leaves_out_its_end(text):
        return ""
    if mark in BRACKETS and not _closes_around(text, mark):
        return ""
    return mark


def _mark_before(text: str) -> str:
    if long_mark := _LONG_MARK_BEFORE.match(text):
        return long_mark.group()
    mark = text[:1]
    if mark not in BEFORE_WORDS or not mark:
        return ""
    if mark in APOSTROPHES and (text[1:2].isdigit() or text[1:].lower() in _ELISIONS):
        return ""
    if mark in _OPENED_BY and text.count(mark) <= text.count(_OPENED_BY[mark]):
        return ""
    return mark


def _is_abbreviation(text: str) -> bool:
    word = text.lstrip("".join(BEFORE_WORDS))
    initial = len(word) == 2 and word[0].isupper() and word != "I."
    return initial or _DOTTED.fullmatch(word) is not None or word[:-1].lower() in _ABBREVIATIONS


def _leaves_out_its_end(text: str) -> bool:
    """Whether an apostrophe at the end is the word's own ("dogs'", "goin'") and not a quote's end."""
    word = text[:-1]
    return word[:1] not in BEFORE_WORDS and word[-1:].isalpha() and word.lower().endswith(("s", "in")) and len(word) > 2


def _closes_around(text: str, closing: str) -> bool:
    """Whether a bracket at the end closes none of the word itself, or one before the whole of it."""
    opening = BRACKETS[closing]
    surplus = text.count(closing) - text.count(opening)
    return surplus > 0 or (surplus == 0 and text.startswith(opening))
