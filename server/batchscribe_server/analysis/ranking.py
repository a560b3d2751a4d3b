"""Which sentences are the most central, by LexRank (Erkan and Radev, 2004): those that are like many that are such.

What is compared pair by pair is bounded: of a long recording the best sentence of each of MAX_RANKED stretches.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

MAX_RANKED = 300
LIKENESS = 0.1
"""How like two sentences must be to count for one another: the bound that LexRank's authors found best."""

DAMPING = 0.85
MAX_STEPS = 50
_TOLERANCE = 1e-6

Vector = Mapping[str, float]


def most_central(sentences: Sequence[Sequence[str]], limit: int, max_likeness: float) -> list[int]:
    """The numbers of at most `limit` sentences, each given as its terms and with one at least, in their own order.

    One that is more like a better one than `max_likeness` is passed over.
    """
    if not sentences:
        return []
    frequencies = Counter(term for terms in sentences for term in set(terms))
    candidates = _best_of_stretches(sentences, frequencies)
    vectors = [_vector(sentences[index], frequencies, len(sentences)) for index in candidates]
    likenesses = [[_likeness(one, other) for other in vectors] for one in vectors]
    scores = _scores(likenesses)
    chosen: list[int] = []
    for place in sorted(range(len(candidates)), key=lambda place: -scores[place]):
        if len(chosen) == limit:
            break
        if all(likenesses[place][other] <= max_likeness for other in chosen):
            chosen.append(place)
    return sorted(candidates[place] for place in chosen)


def _best_of_stretches(sentences: Sequence[Sequence[str]], frequencies: Mapping[str, int]) -> list[int]:
    """The sentence of each stretch whose terms are in most others."""
    count = len(sentences)
    stretches = min(count, MAX_RANKED)
    bounds = [count * number // stretches for number in range(stretches + 1)]
    return [
        max(range(begin, end), key=lambda index: sum(frequencies[term] for term in set(sentences[index])))
        for begin, end in pairwise(bounds)
    ]


def _vector(terms: Sequence[str], frequencies: Mapping[str, int], count: int) -> Vector:
    """Term frequency by inverse sentence frequency, of length 1."""
    weights = {term: said * (1 + math.log(count / frequencies[term])) for term, said in Counter(terms).items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {term: weight / length for term, weight in weights.items()}


def _likeness(one: Vector, other: Vector) -> float:
    """The cosine of two vectors."""
    if len(one) > len(other):
        one, other = other, one
    return sum(weight * other[term] for term, weight in one.items() if term in other)


def _scores(likenesses: Sequence[Sequence[float]]) -> list[float]:
    """The stationary distribution of a walk from sentence to sentence alike."""
    count = len(likenesses)
    neighbours = [[place for place, likeness in enumerate(row) if likeness > LIKENESS] for row in likenesses]
    scores = [1.0 / count] * count
    for _ in range(MAX_STEPS):
        following = [(1 - DAMPING) / count] * count
        for place, near in enumerate(neighbours):
            for other in near:
                following[other] += DAMPING * scores[place] / len(near)
        change = sum(abs(after - before) for after, before in zip(following, scores, strict=True))
        scores = following
        if change < _TOLERANCE:
            break
    return scores
