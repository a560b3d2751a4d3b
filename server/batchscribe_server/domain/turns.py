"""Who spoke when: the segments of several parties cut where another one takes a turn, and put in order.

A party is a channel, a speaker, or a speaker in a channel. Speech is recognised in segments that reach across short
pauses, and in each channel on its own, so that the answer given in a pause lies in the middle of another's segment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from batchscribe_server.domain.transcript import Segment, Word

_Party = tuple[int | None, str]


def in_turns(segments: Sequence[Segment]) -> list[Segment]:
    """The same words in segments of one party each, ordered by their starts and numbered anew.

    A segment is cut between words of different speakers, and at a pause in which another party begins to speak; one
    without words stays whole. Where everything is of one party, nothing is cut. Words that are nobody's stay so.
    """
    if len({party for segment in segments for party in _parties(segment)}) > 1:
        starts = _starts_by_party(segments)
        cut = [part for segment in segments for part in _cut(segment, starts)]
    else:
        cut = [_of_its_words(segment) for segment in segments]
    cut.sort(key=lambda segment: (segment.start_ms, segment.channel or 0))
    return [replace(segment, index=index) for index, segment in enumerate(cut)]


def _parties(segment: Segment) -> set[_Party]:
    if not segment.words:
        return {(segment.channel, segment.speaker)}
    return {(segment.channel, speaker) for speaker in {word.speaker for word in segment.words}}


def _of_its_words(segment: Segment) -> Segment:
    """The segment with the speaker of its words, where it has words."""
    return replace(segment, speaker=segment.words[0].speaker) if segment.words else segment


def _starts_by_party(segments: Sequence[Segment]) -> Mapping[_Party, Sequence[int]]:
    """When each party's words begin, in order."""
    starts: defaultdict[_Party, list[int]] = defaultdict(list)
    for segment in segments:
        if segment.words:
            for word in segment.words:
                starts[segment.channel, word.speaker].append(word.start_ms)
        else:
            starts[segment.channel, segment.speaker].append(segment.start_ms)
    return {party: sorted(its_starts) for party, its_starts in starts.items()}


def _cut(segment: Segment, starts: Mapping[_Party, Sequence[int]]) -> Iterator[Segment]:
    words = segment.words
    begins = [k for k, (before, after) in enumerate(pairwise(words), start=1) if _turns(segment, before, after, starts)]
    if not begins:
        yield _of_its_words(segment)
        return
    texts = _texts(segment, begins)
    for text, begin, end in zip(texts, [0, *begins], [*begins, len(words)], strict=True):
        part = words[begin:end]
        yield replace(
            segment,
            start_ms=part[0].start_ms if begin else segment.start_ms,
            end_ms=part[-1].end_ms if end < len(words) else segment.end_ms,
            text=text,
            words=part,
            speaker=part[0].speaker,
        )


def _turns(segment: Segment, before: Word, after: Word, starts: Mapping[_Party, Sequence[int]]) -> bool:
    """Whether another party has the turn between two words."""
    if before.speaker != after.speaker:
        return True
    party = segment.channel, before.speaker
    return any(
        other != party and bisect_left(its_starts, before.end_ms) < bisect_left(its_starts, after.start_ms)
        for other, its_starts in starts.items()
    )


def _texts(segment: Segment, begins: Sequence[int]) -> list[str]:
    """The segment's text cut before the words of these numbers."""
    places = segment.word_places
    if places is None:
        words = [word.text for word in segment.words]
        return [" ".join(words[begin:end]) for begin, end in pairwise([0, *begins, len(words)])]
    cuts = [0, *(places[begin][0] for begin in begins), len(segment.text)]
    return [segment.text[begin:end].strip() for begin, end in pairwise(cuts)]
