"""Topics as keywords that are said close to one another. Nothing understands them: a topic is called by its first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from batchscribe_server.analysis.keywords import phrases_of
from batchscribe_server.analysis.words import Runs
from batchscribe_server.domain.analysis import Keyword, Topic

WINDOW_MS = 60_000
MAX_TOPICS = 8
"""As many are told, a language model's too."""

FEWEST_MENTIONS = 2
CLOSENESS = 0.5
"""The share of minutes, among those in which either of two keywords was said, in which both were."""


def topics_of(keywords: Sequence[Keyword], sentences: Iterable[tuple[int, Runs]]) -> tuple[Topic, ...]:
    """Keywords that were said more than once, each with the first topic that it is close to or as one of its own.

    Sentences are given with the milliseconds at which they begin.
    """
    repeated = [keyword.text for keyword in keywords if keyword.count >= FEWEST_MENTIONS]
    minutes = _minutes(repeated, sentences)
    topics: list[list[str]] = []
    for keyword in repeated:
        near = (topic for topic in topics if _closeness(minutes[topic[0]], minutes[keyword]) >= CLOSENESS)
        topic = next(near, None)
        if topic is not None:
            topic.append(keyword)
        elif len(topics) < MAX_TOPICS:
            topics.append([keyword])
    return tuple(Topic(topic[0], tuple(topic)) for topic in topics)


def _minutes(keywords: Sequence[str], sentences: Iterable[tuple[int, Runs]]) -> dict[str, set[int]]:
    said: dict[tuple[str, ...], str] = {tuple(keyword.lower().split()): keyword for keyword in keywords}
    minutes: dict[str, set[int]] = {keyword: set() for keyword in keywords}
    for start_ms, sentence in sentences:
        for phrase, _ in phrases_of(sentence):
            if phrase in said:
                minutes[said[phrase]].add(start_ms // WINDOW_MS)
    return minutes


def _closeness(one: set[int], other: set[int]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 0.0
