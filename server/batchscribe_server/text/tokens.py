"""The words of a text and where they stand, punctuation left aside."""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchscribe_server.domain.script import GOES_ON

_LETTERS = rf"[^\W_](?:[^\W_]|[{GOES_ON}])*"
_WORDS = re.compile(rf"{_LETTERS}(?:['’]{_LETTERS})*")  # noqa: RUF001 - the apostrophe of typesetters is meant
_HYPHENATED = re.compile(rf"{_LETTERS}(?:['’‐‑-]{_LETTERS})*")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Token:
    """A word as it is written, from `begin` up to `end`."""

    begin: int
    end: int
    text: str

    @property
    def key(self) -> str:
        """The word whatever its case."""
        return self.text.casefold()


def words_in(text: str) -> list[Token]:
    """The words; what hyphens join are several."""
    return [Token(*found.span(), found.group()) for found in _WORDS.finditer(text)]


def hyphenated_words_in(text: str) -> list[Token]:
    """The words; what hyphens join is one."""
    return [Token(*found.span(), found.group()) for found in _HYPHENATED.finditer(text)]
