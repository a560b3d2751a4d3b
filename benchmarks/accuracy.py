"""Word error rate, as Whisper's authors measure it."""

from __future__ import annotations

from collections.abc import Iterable

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer


def word_error_rate(said: Iterable[str], heard: Iterable[str]) -> float:
    """Words wrong, left out and too many over words said, over all texts together.

    Both are normalised first: spelling, numbers, punctuation and hesitations (Radford et al. 2022, appendix C).
    """
    normalise = EnglishTextNormalizer()
    return float(jiwer.wer([normalise(text) for text in said], [normalise(text) for text in heard]))
