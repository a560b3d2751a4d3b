"""How much each party spoke, and how they took turns: told by the times of segments alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchscribe_server.analysis.sentences import Turn
from batchscribe_server.domain.script import UNSPACED_LANGUAGES

FEWEST_OVERLAP_MS = 300
"""Shorter overlaps are no interruptions: segments begin and end a little beside the words."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Talk:
    """What one party said and how; `words` is None for scripts that don't space words."""

    party: str
    talk_ms: int
    turns: int
    longest_turn_ms: int
    interruptions: int
    words: int | None

    @property
    def words_per_minute(self) -> float | None:
        """How fast it speaks while it speaks."""
        return round(self.words * 60_000 / self.talk_ms, 1) if self.words is not None and self.talk_ms else None


@dataclass(frozen=True, slots=True)
class Times:
    """Of a recording's time, that in which anybody speaks and that in which several do."""

    speech_ms: int
    overlap_ms: int


def talks_of(turns: Sequence[Turn]) -> list[Talk]:
    """The parties in the order in which they first speak."""
    of_parties: defaultdict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        of_parties[turn.party].append(turn)
    interruptions = _interruptions(turns)
    return [
        Talk(
            party=party,
            talk_ms=_length_ms(_joined(_spans(own))),
            turns=len(own),
            longest_turn_ms=max(turn.end_ms - turn.start_ms for turn in own),
            interruptions=interruptions.get(party, 0),
            words=_words(own),
        )
        for party, own in of_parties.items()
    ]


def times_of(turns: Sequence[Turn]) -> Times:
    """The times of all parties together."""
    speech_ms = _length_ms(_joined(_spans(turns)))
    alone = defaultdict(list)
    for turn in turns:
        alone[turn.party].append(turn)
    # A party's own speech is joined first, so that what begins or ends a span is a party that begins or stops.
    edges = sorted(
        (time, step)
        for own in alone.values()
        for begin, end in _joined(_spans(own))
        for time, step in ((begin, 1), (end, -1))
    )
    overlap_ms = speaking = before_ms = 0
    for time_ms, step in edges:
        if speaking > 1:
            overlap_ms += time_ms - before_ms
        speaking += step
        before_ms = time_ms
    return Times(speech_ms, overlap_ms)


def _interruptions(turns: Sequence[Turn]) -> dict[str, int]:
    """How often each party began while another one spoke, and spoke on after that one had stopped.

    What is said into another's speech and ends before it, such as "mhm", takes nobody's turn.
    """
    counts: defaultdict[str, int] = defaultdict(int)
    speech = sorted(
        ((segment.start_ms, segment.end_ms, turn.party) for turn in turns for segment in turn.segments),
        key=lambda spoken: spoken[:2],
    )
    latest: dict[str, Span] = {}
    for start_ms, end_ms, party in speech:
        began_ms, until_ms = latest.get(party, (start_ms, -1))
        if start_ms <= until_ms:  # it goes on
            latest[party] = (began_ms, max(until_ms, end_ms))
            continue
        latest[party] = (start_ms, end_ms)
        counts[party] += any(
            other_began_ms < start_ms and start_ms + FEWEST_OVERLAP_MS <= other_until_ms < end_ms
            for other, (other_began_ms, other_until_ms) in latest.items()
            if other != party
        )
    return counts


def _words(turns: Iterable[Turn]) -> int | None:
    words = 0
    for turn in turns:
        if turn.language in UNSPACED_LANGUAGES:
            return None
        words += sum(len(segment.text.split()) for segment in turn.segments)
    return words


def _spans(turns: Iterable[Turn]) -> list[Span]:
    return sorted((segment.start_ms, segment.end_ms) for turn in turns for segment in turn.segments)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """Sorted spans, those that touch or overlap joined."""
    joined: list[Span] = []
    for start_ms, end_ms in spans:
        if joined and start_ms <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_ms))
        else:
            joined.append((start_ms, max(start_ms, end_ms)))
    return joined


def _length_ms(spans: Iterable[Span]) -> int:
    return sum(end_ms - start_ms for start_ms, end_ms in spans)
