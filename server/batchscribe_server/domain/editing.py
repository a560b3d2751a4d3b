"""What is done to the text of transcripts, and where it can't be."""

from __future__ import annotations

import re
from dataclasses import dataclass

MASK = "X"
"""What redaction writes for each digit that it hides."""

MASKED_DIGITS = re.compile(rf"(?<![^\W_]){MASK}+(?![^\W_])")
"""Digits that were hidden: masks that stand alone, as those within a word are letters of it."""

ADDRESS_MASK = "xxxx"
"""What redaction writes for an e-mail address: in small letters, as it stands for no digits."""


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """A field of RecognitionConfig that asks for what is not known in a language: `missing` says what is not found.

    `in_vain` tells that the field has no effect at all there.
    """

    field: str
    missing: str
    in_vain: bool = True
