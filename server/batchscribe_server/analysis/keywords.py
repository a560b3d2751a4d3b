"""Keywords by the C-value of Frantzi, Ananiadou and Mima, "Automatic recognition of multi-word terms" (2000).

Candidates are up to three words in a row that tell something. A candidate weighs by how often it was said and by its
length; what is said inside of longer candidates counts only as far as it is said besides. Linear in the text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from batchscribe_server.analysis.words import Runs
from batchscribe_server.domain.analysis import Keyword

MAX_WORDS = 3
FEWEST_KEYWORDS = 5
"""As many are told, if need be of what was said only once; further ones only of what was said again."""

Phrase = tuple[str, ...]


def keywords_of(sentences: Sequence[Runs], limit: int) -> tuple[Keyword, ...]:
    """The weightiest keywords of sentences, the first of equals first. None of them is a part of a weightier one."""
    counts = Counter(phrase for sentence in sentences for phrase, _ in phrases_of(sentence))
    weights = _weights(counts)
    chosen: list[Phrase] = []
    for phrase in sorted(weights, key=lambda phrase: -weights[phrase]):
        if len(chosen) == limit or weights[phrase] <= 0:
            break
        if counts[phrase] == 1 and len(chosen) >= FEWEST_KEYWORDS:
            continue
        if not any(_holds(other, phrase) for other in chosen):
            chosen.append(phrase)
    spellings = _spellings(chosen, sentences)
    top = weights[chosen[0]] if chosen else 1.0
    return tuple(
        Keyword(spellings[phrase], counts[phrase], max(0.001, round(weights[phrase] / top, 3))) for phrase in chosen
    )


def phrases_of(sentence: Runs) -> Iterator[tuple[Phrase, str]]:
    """All candidates of a sentence, in lower case and as they are written."""
    for run in sentence:
        for begin in range(len(run)):
            for end in range(begin + 1, min(begin + MAX_WORDS, len(run)) + 1):
                words = run[begin:end]
                yield tuple(word.lower() for word in words), " ".join(words)


def _weights(counts: Mapping[Phrase, int]) -> dict[Phrase, float]:
    longer: Counter[Phrase] = Counter()
    counts_in_longer: Counter[Phrase] = Counter()
    for phrase, count in counts.items():
        for part in _parts(phrase):
            longer[part] += 1
            counts_in_longer[part] += count
    # One is added to the length, as is usual, so that single words weigh something too.
    return {
        phrase: math.log2(len(phrase) + 1) * (count - counts_in_longer[phrase] / max(1, longer[phrase]))
        for phrase, count in counts.items()
    }


def _parts(phrase: Phrase) -> set[Phrase]:
    lengths = range(1, len(phrase))
    return {phrase[begin : begin + length] for length in lengths for begin in range(len(phrase) - length + 1)}


def _holds(phrase: Phrase, part: Phrase) -> bool:
    length = len(part)
    return any(phrase[begin : begin + length] == part for begin in range(len(phrase) - length + 1))


def _spellings(phrases: Sequence[Phrase], sentences: Sequence[Runs]) -> dict[Phrase, str]:
    """As each was written most often; without the capital of a sentence's begin where both are as frequent."""
    written: dict[Phrase, Counter[str]] = {phrase: Counter() for phrase in phrases}
    for sentence in sentences:
        for phrase, spelling in phrases_of(sentence):
            if phrase in written:
                written[phrase][spelling] += 1
    return {
        phrase: max(spellings, key=lambda spelling: (spellings[spelling], spelling.islower(), spelling))
        for phrase, spellings in written.items()
    }
