"""Cuts a transcript into subtitle cues.

What holds always: no word is lost, doubled or moved; the cues of a channel do not overlap, and each begins after the
one before; none ends after the recording; no line is wider than allowed but for a single word that is, with the name
before it, or for what UAX 14 does not break in a script without spaces; no line begins within a grapheme cluster; no
cue spans a pause of more than a second, nor two turns. What is striven for, by the least sum of penalties over each
stretch of speech: cues that end with a sentence, a clause or at least at a breath, that are read at the speed asked
for, and that are neither flashes nor monuments.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, tee
from typing import TypeVar

from batchscribe_server.domain.recognition import SubtitleConfig
from batchscribe_server.domain.script import clause_ends, sentence_ends
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.rendering.breaks import line_pieces
from batchscribe_server.rendering.lines import broken_into_lines
from batchscribe_server.rendering.pieces import Piece, pieces_of, text_of

MAX_PAUSE_MS = 1_000
MIN_DURATION_MS = 800
MAX_DURATION_MS = 7_000

# Speech that never pauses is cut into stretches of at most so many words, which bounds memory.
_STRETCH_PIECES = 400

_BREATH_MS = 250

# So near the recording's end a cue waits for those after it, which all need a moment before the end.
_END_MS = 10_000

# Penalties. One for each cue keeps them few; the others are weighed against it.
_EACH_CUE = 2.0
_ENDS_MID_CLAUSE = 4.0
_ENDS_AT_BREATH = 2.5
_ENDS_WITH_CLAUSE = 1.5
_RUNS_ON = 2.0  # a sentence ends inside the cue, and the next one goes on after it
_EACH_SECOND_TOO_FAST = 1.5
_EACH_SECOND_TOO_SHORT = 3.0


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: its lines, when they are shown, and who speaks, empty where that is not told."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    party: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a party says until another one speaks. A `name` is written before its first word."""

    segments: Iterable[Segment]
    party: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Group:
    """The pieces of a cue, from when it may be shown, until when at least and at most."""

    pieces: Sequence[Piece]
    party: str
    start_ms: int
    spoken_until_ms: int
    readable_until_ms: int


def cues_of(channels: Iterable[Iterable[Turn]], config: SubtitleConfig, duration_ms: int) -> Iterator[Cue]:
    """The cues of all channels, in order of their starts; neither words nor cues go on after `duration_ms`.

    Those of a channel follow each other. Where two channels speak at once their cues overlap; but none is shown on
    for its readers' sake into the next, whosever that is.
    """
    groups = heapq.merge(*(_timed(turns, config, duration_ms) for turns in channels), key=lambda group: group.start_ms)
    for group, following in _with_next(groups):
        end_ms = group.readable_until_ms
        if following is not None:
            end_ms = max(group.spoken_until_ms, min(end_ms, following.start_ms))
        lines = broken_into_lines(group.pieces, config.max_line_width)
        yield Cue(group.start_ms, max(end_ms, group.start_ms + 1), tuple(lines), group.party)


def _timed(turns: Iterable[Turn], config: SubtitleConfig, duration_ms: int) -> Iterator[_Group]:
    """The cues of one channel. None ends after the next one begins, nor after the recording."""
    for (start_ms, pieces, party), following in _with_next(_started(_divided(turns, config), duration_ms)):
        next_start_ms = duration_ms if following is None else following[0]
        spoken_until_ms = pieces[-1].end_ms
        readable_until_ms = max(spoken_until_ms, start_ms + _needed_ms(text_of(pieces), config))
        yield _Group(
            pieces, party, start_ms, min(spoken_until_ms, next_start_ms), min(readable_until_ms, next_start_ms)
        )


def _started(
    cues: Iterable[tuple[Sequence[Piece], str]], duration_ms: int
) -> Iterator[tuple[int, Sequence[Piece], str]]:
    """The cues of one channel, each with when it begins.

    Words timed on top of each other still are shown one after the other, if only for a moment: later than they are
    timed, or earlier where the recording would end before the last of them.
    """
    at_end: list[tuple[int, Sequence[Piece], str]] = []
    free_from_ms = 0
    for pieces, party in cues:
        start_ms = max(pieces[0].start_ms, free_from_ms)
        free_from_ms = start_ms + 1
        if start_ms < duration_ms - _END_MS:
            yield start_ms, pieces, party
        else:
            at_end.append((start_ms, pieces, party))
    latest_ms = duration_ms
    for place in reversed(range(len(at_end))):
        start_ms, pieces, party = at_end[place]
        latest_ms = min(start_ms, latest_ms - 1)
        at_end[place] = max(0, latest_ms), pieces, party
    yield from at_end


def _divided(turns: Iterable[Turn], config: SubtitleConfig) -> Iterator[tuple[Sequence[Piece], str]]:
    """The pieces of each cue of one channel, and who speaks."""
    for stretch, turn, pause_ms in _stretches(turns, config.max_line_width):
        for pieces in _grouped(stretch, pause_ms, config):
            yield pieces, turn.party


_T = TypeVar("_T")


def _with_next(items: Iterable[_T]) -> Iterator[tuple[_T, _T | None]]:
    these, following = tee(items)
    return zip(these, chain(islice(following, 1, None), (None,)), strict=False)


def _stretches(turns: Iterable[Turn], max_width: int) -> Iterator[tuple[list[Piece], Turn, int]]:
    """Speech of one turn between pauses that no cue may span, each with the pause after it; the last one has time."""
    stretch: list[Piece] = []
    of_turn = Turn(())
    for turn, piece in _pieces(turns, max_width):
        if stretch:
            pause_ms = piece.start_ms - stretch[-1].end_ms
            full = len(stretch) >= _STRETCH_PIECES and (
                sentence_ends(stretch[-1].text) or len(stretch) >= 2 * _STRETCH_PIECES
            )
            if turn is not of_turn or pause_ms > MAX_PAUSE_MS or full:
                yield stretch, of_turn, max(0, pause_ms)
                stretch = []
        stretch.append(piece)
        of_turn = turn
    if stretch:
        yield stretch, of_turn, MAX_DURATION_MS


def _pieces(turns: Iterable[Turn], max_width: int) -> Iterator[tuple[Turn, Piece]]:
    for turn in turns:
        name = f"{turn.name}: " if turn.name else ""
        of_segment: list[Piece] = []
        for spoken in pieces_of(turn.segments):
            of_segment.append(spoken)
            if not spoken.ends_segment:
                continue
            for piece in line_pieces(of_segment, max_width):
                yield turn, replace(piece, text=name + piece.text) if name else piece
                name = ""
            of_segment = []


def _grouped(stretch: Sequence[Piece], pause_after_ms: int, config: SubtitleConfig) -> Iterator[Sequence[Piece]]:
    """The pieces of each cue: the division of the stretch with the least sum of penalties."""
    count = len(stretch)
    starts_ms = [*(piece.start_ms for piece in stretch[1:]), stretch[-1].end_ms + pause_after_ms]
    endings = [_ending_penalty(piece, next_ms) for piece, next_ms in zip(stretch, starts_ms, strict=True)]
    endings[-1] = 0.0
    # least[i]: the least penalty of the pieces from i on, and where their first cue ends.
    least: list[tuple[float, int]] = [(0.0, count)] * (count + 1)
    for begin in range(count - 1, -1, -1):
        runs_on = 0.0
        best = (math.inf, begin + 1)
        for end, chars in _fitting(stretch, begin, config):
            shown_s = (starts_ms[end - 1] - stretch[begin].start_ms) / 1000
            ending = endings[end - 1]
            penalty = _EACH_CUE + (ending + runs_on if ending else 0.0) + _haste_penalty(chars, shown_s, config)
            best = min(best, (penalty + least[end][0], end))
            if not ending:
                runs_on = _RUNS_ON
        least[begin] = best
    begin = 0
    while begin < count:
        end = least[begin][1]
        yield stretch[begin:end]
        begin = end


def _fitting(stretch: Sequence[Piece], begin: int, config: SubtitleConfig) -> Iterator[tuple[int, int]]:
    """The ends of all cues that begin at `begin` and may be shown, with their characters. There is one at least."""
    lines, width, chars = 1, 0, 0
    latest_ms = stretch[begin].start_ms + MAX_DURATION_MS
    for index in range(begin, len(stretch)):
        piece = stretch[index]
        size = len(piece.text)
        spaced = piece.spaced and index > begin
        width += spaced + size
        if index > begin and width > config.max_line_width:
            lines, width = lines + 1, size
        chars += spaced + size
        if index > begin and (lines > config.max_lines or piece.end_ms > latest_ms):
            return
        yield index + 1, chars


def _ending_penalty(piece: Piece, next_start_ms: int) -> float:
    if sentence_ends(piece.text):
        return 0.0
    if clause_ends(piece.text):
        return _ENDS_WITH_CLAUSE
    breath = piece.ends_segment or next_start_ms - piece.end_ms >= _BREATH_MS
    return _ENDS_AT_BREATH if breath else _ENDS_MID_CLAUSE


def _haste_penalty(chars: int, shown_s: float, config: SubtitleConfig) -> float:
    """For text that can't be read in the time there is until the next cue, or that only flashes."""
    too_fast_s = max(0.0, chars / config.max_chars_per_second - shown_s)
    too_short_s = max(0.0, MIN_DURATION_MS / 1000 - shown_s)
    return _EACH_SECOND_TOO_FAST * too_fast_s + _EACH_SECOND_TOO_SHORT * too_short_s


def _needed_ms(text: str, config: SubtitleConfig) -> int:
    """How long the text must be shown to be read."""
    return max(MIN_DURATION_MS, round(1000 * len(text) / config.max_chars_per_second))
