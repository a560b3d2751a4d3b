"""Breaks a cue's text into lines: as few as it takes, of like length, rather after punctuation than elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe_server.domain.script import clause_ends, sentence_ends
from batchscribe_server.rendering.pieces import Piece, text_of

# In characters squared, as unevenness is counted: a comma makes up for halves that differ by some ten characters.
_CLAUSE_BONUS = 60.0
_SENTENCE_BONUS = 120.0


def _lines_needed(pieces: Sequence[Piece], max_width: int) -> int:
    """The fewest lines of that width that hold the pieces; a piece that is wider has one to itself."""
    lines = 0
    width = 0
    for piece in pieces:
        wider = width + piece.spaced + len(piece.text)
        if lines and wider <= max_width:
            width = wider
        else:
            lines += 1
            width = len(piece.text)
    return lines


def broken_into_lines(pieces: Sequence[Piece], max_width: int) -> list[str]:
    """The lines, none wider than `max_width` but for a single piece that is."""
    count = _lines_needed(pieces, max_width)
    if count <= 1:
        return [text_of(pieces)]
    # best[n][j]: the least cost of pieces[:j] on n lines, and where the last of these lines begins.
    best: list[dict[int, tuple[float, int]]] = [{0: (0.0, 0)}]
    for _ in range(count):
        row: dict[int, tuple[float, int]] = {}
        for begin, (cost_so_far, _) in best[-1].items():
            width = 0
            for end in range(begin + 1, len(pieces) + 1):
                piece = pieces[end - 1]
                width += len(piece.text) + (piece.spaced if end - 1 > begin else 0)
                if width > max_width and end - 1 > begin:
                    break
                cost = cost_so_far + width * width - (_bonus(piece) if end < len(pieces) else 0.0)
                if end not in row or cost < row[end][0]:
                    row[end] = (cost, begin)
        best.append(row)
    lines: list[str] = []
    end = len(pieces)
    for row in reversed(best[1:]):
        begin = row[end][1]
        lines.append(text_of(pieces[begin:end]))
        end = begin
    return lines[::-1]


def _bonus(last_of_line: Piece) -> float:
    if sentence_ends(last_of_line.text):
        return _SENTENCE_BONUS
    return _CLAUSE_BONUS if clause_ends(last_of_line.text) else 0.0
