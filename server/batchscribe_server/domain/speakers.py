"""Who says which word: words as recognition timed them, laid over turns that were told apart by voice.

A voice is recognised in windows of a second and a half, so that a turn which follows another without a pause begins
some tenths of a second early or late. People take turns at pauses and between sentences. So of all ways to give the
words their speakers the one is taken that costs least, where a word costs its overlap with turns of others, less near
such a change, and a change of speaker costs a share of a second: nothing at a pause, most within a sentence. It is
found as Viterbi's algorithm does, in time proportional to the number of words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from batchscribe_server.domain.script import sentence_ends
from batchscribe_server.domain.transcript import Segment, Word

CHANGE_WITHIN_SENTENCE_MS = 450
CHANGE_AFTER_SENTENCE_MS = 50
PAUSE_MS = 200
"""A change of speaker costs the less the longer the pause before it, and nothing from here on."""

UNSURE_MS = 600
"""How near a change without a pause the turns are believed less; a window begins every 600 ms."""

NEAR_MS = 1_000
"""A word that lies in no turn is of the nearest one that is as near as this; otherwise it is nobody's."""


@dataclass(frozen=True, slots=True)
class SpeakerTurn:
    """A stretch of one speaker, in milliseconds of the file. `channel` is None where channels are mixed down."""

    start_ms: int
    end_ms: int
    speaker: int
    channel: int | None = None


def in_order_of_appearance(turns: Sequence[SpeakerTurn]) -> list[SpeakerTurn]:
    """The turns in order of their starts, with speakers numbered from 0 as they appear, over all channels.

    The same number in two channels stands for two speakers.
    """
    numbers: dict[tuple[int | None, int], int] = {}
    in_order = sorted(turns, key=lambda turn: (turn.start_ms, turn.channel or 0))
    return [replace(turn, speaker=numbers.setdefault((turn.channel, turn.speaker), len(numbers))) for turn in in_order]


def with_speakers(segments: Sequence[Segment], turns: Sequence[SpeakerTurn]) -> list[Segment]:
    """The segments with the speakers of their words, or of the whole where it has no words: "Speaker 0" and so on."""
    channels = {segment.channel for segment in segments}
    of_channels = {channel: _WhoSpeaks([turn for turn in turns if turn.channel == channel]) for channel in channels}
    speakers: dict[int, list[str]] = {}
    for channel, who_speaks in of_channels.items():
        places = [place for place, segment in enumerate(segments) if segment.channel == channel]
        parts = [part for place in places for part in _parts(segments[place])]
        labels = iter(who_speaks.labels(parts))
        for place in places:
            speakers[place] = [next(labels) for _ in _parts(segments[place])]
    return [_labelled(segment, speakers[place]) for place, segment in enumerate(segments)]


def _parts(segment: Segment) -> Sequence[Word]:
    """What of a segment gets a speaker: each word, or the whole."""
    return segment.words or (Word(segment.text, segment.start_ms, segment.end_ms, segment.confidence),)


def _labelled(segment: Segment, speakers: Sequence[str]) -> Segment:
    if not segment.words:
        return replace(segment, speaker=speakers[0])
    words = tuple(replace(word, speaker=speaker) for word, speaker in zip(segment.words, speakers, strict=True))
    return replace(segment, words=words, speaker=speakers[0])


class _WhoSpeaks:
    """The turns of one channel, in order and without overlap."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start_ms)
        self._starts_ms = [turn.start_ms for turn in self._turns]
        self._changes_ms = [
            after.start_ms
            for before, after in pairwise(self._turns)
            if before.speaker != after.speaker and before.end_ms >= after.start_ms
        ]
        self._speakers = sorted({turn.speaker for turn in turns})

    def labels(self, words: Sequence[Word]) -> list[str]:
        """The speaker of each word, which come in order; empty for those that are nobody's."""
        heard = [self._evidence(word) for word in words]
        somebodys = [place for place, evidence in enumerate(heard) if evidence]
        found = self._cheapest([words[place] for place in somebodys], [heard[place] for place in somebodys])
        labels = [""] * len(words)
        for place, speaker in zip(somebodys, found, strict=True):
            labels[place] = f"Speaker {speaker}"
        return labels

    def _cheapest(self, words: Sequence[Word], heard: Sequence[Mapping[int, float]]) -> list[int]:
        """The speakers of the words that cost least in all."""
        if not words:
            return []
        costs = dict.fromkeys(self._speakers, 0.0)
        before: list[dict[int, int]] = []  # for each word but the first: who came before, for each who speaks it
        changes_ms = [0.0, *(_change_ms(one, other) for one, other in pairwise(words))]
        for evidence, change_ms in zip(heard, changes_ms, strict=True):
            cheapest = min(costs, key=lambda speaker: costs[speaker])
            changed_ms = costs[cheapest] + change_ms
            before.append({who: cheapest if changed_ms < costs[who] else who for who in self._speakers})
            total_ms = sum(evidence.values())
            costs = {who: min(costs[who], changed_ms) + total_ms - evidence.get(who, 0.0) for who in self._speakers}
        speaker = min(costs, key=lambda who: costs[who])
        found = [speaker]
        for came_before in reversed(before[1:]):
            speaker = came_before[speaker]
            found.append(speaker)
        return found[::-1]

    def _evidence(self, word: Word) -> dict[int, float]:
        """For how many milliseconds each speaker is heard in a word, those near a change counting less."""
        end_ms = max(word.end_ms, word.start_ms + 1)
        evidence: dict[int, float] = {}
        for turn in self._around(word.start_ms, end_ms):
            first_ms, last_ms = max(turn.start_ms, word.start_ms), min(turn.end_ms, end_ms)
            if first_ms < last_ms:
                sure = self._sureness((first_ms + last_ms) / 2)
                evidence[turn.speaker] = evidence.get(turn.speaker, 0.0) + sure * (last_ms - first_ms)
        return evidence or self._nearest(word.start_ms, end_ms)

    def _nearest(self, start_ms: int, end_ms: int) -> dict[int, float]:
        distances = [
            (max(turn.start_ms - end_ms, start_ms - turn.end_ms), turn.speaker)
            for turn in self._around(start_ms, end_ms)
        ]
        distance_ms, speaker = min(distances, default=(NEAR_MS + 1, 0))
        return {speaker: float(end_ms - start_ms)} if distance_ms <= NEAR_MS else {}

    def _around(self, start_ms: int, end_ms: int) -> Iterator[SpeakerTurn]:
        """The turns that overlap a time, the one before and the one after."""
        first = max(0, bisect_right(self._starts_ms, start_ms) - 1)
        yield from self._turns[first : bisect_left(self._starts_ms, end_ms) + 1]

    def _sureness(self, time_ms: float) -> float:
        """How much to believe, 0 to 1, of whom the turns name at that time."""
        place = bisect_left(self._changes_ms, time_ms)
        nearest = self._changes_ms[max(0, place - 1) : place + 1]
        return min([1.0, *(abs(time_ms - change_ms) / UNSURE_MS for change_ms in nearest)])


def _change_ms(before: Word, after: Word) -> float:
    """What it costs that another speaker has the word after."""
    pause_ms = max(0, after.start_ms - before.end_ms)
    cost_ms = CHANGE_AFTER_SENTENCE_MS if sentence_ends(before.text.strip()) else CHANGE_WITHIN_SENTENCE_MS
    return cost_ms * max(0.0, 1 - pause_ms / PAUSE_MS)
