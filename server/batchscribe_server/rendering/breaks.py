"""Where a line may end within text without spaces: by UAX 14, and never within a grapheme cluster of UAX 29."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from uniseg.graphemecluster import grapheme_cluster_boundaries
from uniseg.linebreak import line_break_boundaries

from batchscribe_server.domain.script import is_mark, is_unspaced, needs_dictionary
from batchscribe_server.rendering.pieces import Piece, text_of

_STAYS_BEFORE = frozenset("\u0e40\u0e41\u0e42\u0e43\u0e44\u0ec0\u0ec1\u0ec2\u0ec3\u0ec4\u1039\u17d2")
"""Vowels of Thai and Lao that are written before their consonant, and signs of Burmese and Khmer that put the next
consonant below the one before, which became part of clusters after Unicode 16."""

_STAYS_AFTER = frozenset("\u0e2f\u0e30\u0e32\u0e33\u0e45\u0e46\u0eaf\u0eb0\u0eb2\u0eb3\u0ec6")
"""Vowels and signs of Thai and Lao that are written after what they belong to."""


def line_pieces(pieces: Sequence[Piece], max_width: int) -> list[Piece]:
    """The pieces joined and cut anew so that a line may end after each, and none begins with a mark.

    Words that stand together are one text, that of a script with spaces a single word. In one without spaces UAX 14
    says where it breaks. It leaves Thai and the like to a dictionary, for which the words of the model stand; where
    these do not suffice for `max_width`, such text breaks between clusters.
    """
    cut: list[Piece] = []
    begin = 0
    for end in range(1, len(pieces) + 1):
        if end == len(pieces) or (pieces[end].spaced and not is_mark(pieces[end].text[0])):
            cut += _cut(pieces[begin:end], max_width)
            begin = end
    return cut


def _cut(chain: Sequence[Piece], max_width: int) -> list[Piece]:
    text = text_of(chain)
    if len(chain) == 1 and text.isascii():
        return [chain[0]]
    starts: list[int] = []
    position = 0
    for piece in chain:
        position += piece.spaced and position > 0  # a space before a mark
        starts.append(position)
        position += len(piece.text)
    ends = _ends(text, starts, max_width)
    return [
        Piece(
            text[begin:end],
            _time_ms(chain, starts, begin, at_end=False),
            _time_ms(chain, starts, end, at_end=True),
            chain[0].spaced and not begin,
            chain[-1].ends_segment and end == len(text),
            chain[0].confidence,
        )
        for begin, end in zip((0, *ends), ends, strict=False)
    ]


def _time_ms(chain: Sequence[Piece], starts: Sequence[int], place: int, *, at_end: bool) -> int:
    """When the character at a place begins, or the one before it ends; a word's time is shared by its characters."""
    number = (bisect_left(starts, place) if at_end else bisect_right(starts, place)) - 1
    piece = chain[number]
    chars = min(place - starts[number], len(piece.text))
    return piece.start_ms + (piece.end_ms - piece.start_ms) * chars // len(piece.text)


def _ends(text: str, words: Iterable[int], max_width: int) -> list[int]:
    """Where lines may end, the end of the text among it."""
    if not is_unspaced(text):
        return [len(text)]
    clusters = list(grapheme_cluster_boundaries(text))
    ends = {end for end in line_break_boundaries(text) if 0 < end < len(text) and not is_mark(text[end])}
    inside = [end for end in clusters if 0 < end < len(text) and _within_undivided(text, end)]
    ends |= set(words).intersection(inside)
    ordered: list[int] = []
    for end in (*sorted(ends), len(text)):
        begin = ordered[-1] if ordered else 0
        while end - begin > max_width:
            fits = [each for each in inside if begin < each <= begin + max_width]
            later = [each for each in inside if begin + max_width < each < end]
            if not fits and not later:
                break
            begin = fits[-1] if fits else later[0]
            ordered.append(begin)
        ordered.append(end)
    return ordered


def _within_undivided(text: str, place: int) -> bool:
    """Whether text that needs a dictionary may be broken here, if need be."""
    before, after = text[place - 1], text[place]
    if before in _STAYS_BEFORE or after in _STAYS_AFTER or is_mark(after):
        return False
    return needs_dictionary(before) and needs_dictionary(after)
