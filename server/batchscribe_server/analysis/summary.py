"""A summary of sentences that were said: the most central ones, in their order, with who said them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from batchscribe_server.analysis.ranking import most_central
from batchscribe_server.analysis.sentences import Sentence
from batchscribe_server.analysis.words import terms
from batchscribe_server.domain.analysis import Maker, Summary, SummaryPoint
from batchscribe_server.domain.recognition import SummaryConfig, SummaryLength, SummaryStyle

SENTENCES = {SummaryLength.SHORT: 3, SummaryLength.MEDIUM: 7, SummaryLength.LONG: 20}
"""How many sentences a summary has, but never more than a half of those that tell something.

A language model is asked for as many points.
"""

FEWEST_TERMS = 2
"""A sentence with fewer words that tell something is no point of a summary."""

MAX_LIKENESS = 0.6
PARAGRAPH_SENTENCES = 5


def summary_of(sentences: Sequence[Sentence], config: SummaryConfig) -> Summary:
    """A summary of these, empty where nothing was said that tells something."""
    told = [(sentence, terms(sentence.text, sentence.language)) for sentence in sentences]
    # Of a recording in which all are short, any will do.
    for fewest in (FEWEST_TERMS, 1):
        telling = [(sentence, its_terms) for sentence, its_terms in told if len(its_terms) >= fewest]
        if telling:
            break
    limit = min(SENTENCES[config.length], max(1, len(telling) // 2))
    chosen = most_central([its_terms for _, its_terms in telling], limit, MAX_LIKENESS)
    points = [
        SummaryPoint(sentence.text, sentence.party, sentence.start_ms)
        for sentence, _ in map(telling.__getitem__, chosen)
    ]
    if config.style is SummaryStyle.PARAGRAPHS:
        points = list(_paragraphs(points))
    return Summary(config.style, config.length, Maker.EMBEDDED, tuple(points))


def _paragraphs(points: Sequence[SummaryPoint]) -> Iterator[SummaryPoint]:
    """Sentences of one party in a row together, a few in each."""
    for party, in_a_row in groupby(points, key=lambda point: point.party):
        own = list(in_a_row)
        for begin in range(0, len(own), PARAGRAPH_SENTENCES):
            part = own[begin : begin + PARAGRAPH_SENTENCES]
            yield SummaryPoint(" ".join(point.text for point in part), party, part[0].start_ms)
