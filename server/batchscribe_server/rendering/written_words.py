"""The words of a segment as they are written, for formats that give each its time."""

from __future__ import annotations

from batchscribe_server.domain.script import words_meet_between
from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.rendering.pieces import Piece, pieces_of


def written_words(segment: Segment, delimiter: str) -> list[Word]:
    """Words with their marks; with the delimiter between them they are the segment's text.

    What a model hears as several words ("10", "%") is one where no delimiter stands between. Where there is none
    between words at all, as in Chinese, those parts of the text that have spaces are one word ("New York"). Times are
    estimated where the segment's words were not timed, and the confidence is the segment's.
    """
    words: list[Word] = []
    for piece in pieces_of([segment]):
        if words and not _begins_word(piece, words[-1], delimiter):
            before = words[-1]
            words[-1] = Word(
                f"{before.text} {piece.text}" if piece.spaced else before.text + piece.text,
                before.start_ms,
                max(before.end_ms, piece.end_ms),
                min(before.confidence, piece.confidence),
                before.speaker,
            )
        else:
            words.append(Word(piece.text, piece.start_ms, piece.end_ms, piece.confidence, segment.speaker))
    return words


def _begins_word(piece: Piece, before: Word, delimiter: str) -> bool:
    if delimiter:
        return piece.spaced
    return not piece.spaced and words_meet_between(before.text, piece.text)
