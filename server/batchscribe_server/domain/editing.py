"""What is done to the text of transcripts, and where it can't be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LanguageGap:
    """A field of RecognitionConfig that asks for what is not known in a language: `missing` says what is not found.

    `in_vain` tells that the field has no effect at all there.
    """

    field: str
    missing: str
    in_vain: bool = True
