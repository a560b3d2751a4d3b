"""Sentiment of English sentences by VADER (Hutto and Gilbert, 2014): a lexicon and rules, both in its package."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from batchscribe_server.analysis.sentences import Sentence

LANGUAGE = "en"
"""The one language that it knows."""


def scores_of(sentences: Iterable[Sentence]) -> list[float]:
    """From -1 to 1, of the English ones among the sentences."""
    return [
        float(_analyzer().polarity_scores(sentence.text)["compound"])
        for sentence in sentences
        if sentence.language == LANGUAGE
    ]


def mean(scores: list[float]) -> float | None:
    """The sentiment of several sentences together; None of none."""
    return round(sum(scores) / len(scores), 3) if scores else None


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()
