"""Tokens and their alignment with the audio, made into words with times."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
from uniseg.graphemecluster import grapheme_cluster_boundaries

from batchscribe_engine.messages import Word

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

ALIGNMENT_STEP_MS = 20
"""One frame of the encoder's output."""

QUIET_BELOW_PEAK = 1.0
"""In scaled log-mel features: 40 dB."""

EARLY_MS = 120
"""How early the alignment is where two words meet: 120 to 150 ms with words whose places are known (`base`, 26 November
2026). With the quietest moments the median error is 10 to 30 ms."""

VALLEY_DEPTH = 0.25
"""How much quieter than the words on both sides the moment between them is to be: 10 dB, in scaled log-mel features."""

_EARLIEST_FRAMES, _LATEST_FRAMES = 5, 30
"""How far before and after the alignment's boundary words may meet."""

_SHORTEST_FRAMES = 5
_SMOOTHED_FRAMES = 3
_FLOOR_SHARE = 0.15

MIN_PAUSE_FRAMES = 20
KEPT_PAUSE_FRAMES = 5
_FRAME_MS = 10

OPENING_PUNCTUATION = frozenset("\"'“¿([{-")
CLOSING_PUNCTUATION = frozenset("\"'.。,，!！?？:：”)]}、")  # noqa: RUF001  full-width marks are meant


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the model heard each token: (token, frame) pairs along the warping path, and each token's probability.

    The path also holds the end of the text, as one token more than there are probabilities.
    """

    path: Sequence[tuple[int, int]]
    probabilities: Sequence[float]


def timed_words(
    texts: Sequence[str],
    tokens: Sequence[Sequence[int]],
    alignment: Alignment,
    mel: Mel,
    length_ms: int,
) -> tuple[Word, ...]:
    """The words of a segment with their times.

    `texts` are the words as the tokenizer splits them, punctuation apart and spaces leading, and `tokens` the tokens
    of each; `mel` are the segment's log-mel features, of shape (n_mels, n). Times never run backwards and lie within
    0 and `length_ms`.
    """
    first_frames: dict[int, int] = {}
    for token, frame in alignment.path:
        first_frames.setdefault(token, frame)
    words: list[Word] = []
    position = 0
    for text, its_tokens in whole_clusters(texts, tokens):
        after = position + len(its_tokens)
        probabilities = alignment.probabilities[position:after]
        start_ms = min(length_ms, first_frames.get(position, 0) * ALIGNMENT_STEP_MS)
        end_ms = min(length_ms, first_frames.get(after, alignment.path[-1][1] + 1) * ALIGNMENT_STEP_MS)
        words.append(Word(text, start_ms, max(start_ms, end_ms), sum(probabilities) / max(1, len(probabilities))))
        position = after
    quiet = quiet_frames(mel)
    return tuple(
        Word(word.text.strip(), *without_pauses(word.start_ms, word.end_ms, quiet), word.probability)
        for word in as_spoken(with_punctuation(words), mel, length_ms)
        if word.text.strip()
    )


def whole_clusters(texts: Sequence[str], tokens: Sequence[Sequence[int]]) -> list[tuple[str, list[int]]]:
    """Words and their tokens, those joined that are within one grapheme cluster (UAX 29), and marks to what they mark.

    Where there are no spaces the tokenizer parts words between any two characters, a tone mark from its consonant.
    """
    boundaries = set(grapheme_cluster_boundaries("".join(texts)))
    joined: list[tuple[str, list[int]]] = []
    starts = accumulate((len(text) for text in texts), initial=0)
    for start, text, its_tokens in zip(starts, texts, tokens, strict=False):
        begin, word, word_tokens = start, text, list(its_tokens)
        while joined and (begin not in boundaries or _begins_with_mark(word)):
            before, before_tokens = joined.pop()
            begin, word, word_tokens = begin - len(before), before + word, [*before_tokens, *word_tokens]
        joined.append((word, word_tokens))
    return joined


def _begins_with_mark(word: str) -> bool:
    return unicodedata.category(word.strip()[:1] or "a").startswith("M")


def as_spoken(words: Sequence[Word], mel: Mel, length_ms: int) -> list[Word]:
    """The words with the times that their sound tells.

    The model turns to a word before it is said. Where two words meet, the quietest moment shortly after is where they
    really do, if it is clearly quieter than both; else it is `EARLY_MS` later. The last word ends where its sound does.
    """
    loudness = np.convolve(mel.max(axis=0), np.full(_SMOOTHED_FRAMES, 1 / _SMOOTHED_FRAMES), mode="same")
    times = [[word.start_ms // _FRAME_MS, word.end_ms // _FRAME_MS] for word in words]
    for before, after in pairwise(times):
        if before[1] == after[0]:
            before[1], after[0] = _meeting(loudness, before[0], before[1], after[1])
    if times:
        end = times[-1][1]
        quiet = np.flatnonzero(quiet_frames(mel)[end : end + _LATEST_FRAMES])
        times[-1][1] = end + (int(quiet[0]) if quiet.size else 0)
    length = length_ms // _FRAME_MS
    settled = []
    for word, (start, end) in zip(words, times, strict=True):
        start_ms = min(start, length) * _FRAME_MS
        settled.append(Word(word.text, start_ms, max(start_ms, min(end, length) * _FRAME_MS), word.probability))
    return settled


def _meeting(loudness: npt.NDArray[np.float32], start: int, boundary: int, end: int) -> tuple[int, int]:
    """Where a word from `start` to `boundary` ends, and the one after it, up to `end`, begins; all in frames."""
    first = max(boundary - _EARLIEST_FRAMES, start + _SHORTEST_FRAMES)
    last = min(boundary + _LATEST_FRAMES, end - _SHORTEST_FRAMES, len(loudness))
    if last - first < _SMOOTHED_FRAMES:
        return boundary, boundary
    valley = first + int(np.argmin(loudness[first:last]))
    peak = min(loudness[start : valley + 1].max(), loudness[valley : end + _LATEST_FRAMES].max())
    if peak - loudness[valley] < VALLEY_DEPTH:
        later = min(boundary + EARLY_MS // _FRAME_MS, last)
        return later, later
    floor = loudness[valley] + _FLOOR_SHARE * (peak - loudness[valley])
    ends = begins = valley
    while ends > first and loudness[ends - 1] <= floor:
        ends -= 1
    while begins + 1 < last and loudness[begins + 1] <= floor:
        begins += 1
    return ends, begins + 1


def quiet_frames(mel: Mel) -> npt.NDArray[np.bool_]:
    """Which frames of log-mel features of shape (n_mels, n) are far below the segment's peak; shape (n,)."""
    loudness = mel.max(axis=0)
    quiet: npt.NDArray[np.bool_] = loudness < loudness.max() - QUIET_BELOW_PEAK
    return quiet


def without_pauses(start_ms: int, end_ms: int, quiet: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """A word's times without long silence at its ends.

    The alignment has to put a pause somewhere: it stretches the word after it, or before.
    """
    loud = np.flatnonzero(~quiet[start_ms // _FRAME_MS : end_ms // _FRAME_MS])
    if not loud.size:
        return start_ms, end_ms
    before = int(loud[0])
    after = end_ms // _FRAME_MS - start_ms // _FRAME_MS - 1 - int(loud[-1])
    if before >= MIN_PAUSE_FRAMES:
        start_ms += (before - KEPT_PAUSE_FRAMES) * _FRAME_MS
    if after >= MIN_PAUSE_FRAMES:
        end_ms -= (after - KEPT_PAUSE_FRAMES) * _FRAME_MS
    return start_ms, end_ms


def with_punctuation(words: Sequence[Word]) -> list[Word]:
    """Opening marks joined to the word after them, closing marks to the word before; times are the word's own."""
    joined: list[Word] = []
    opening = ""
    for word in words:
        mark = frozenset(word.text.strip())
        if word.text.startswith(" ") and mark and mark <= OPENING_PUNCTUATION:
            opening += word.text
        elif joined and not opening and not word.text.startswith(" ") and mark <= CLOSING_PUNCTUATION:
            last = joined[-1]
            joined[-1] = Word(last.text + word.text, last.start_ms, last.end_ms, last.probability)
        else:
            joined.append(Word(opening + word.text, word.start_ms, word.end_ms, word.probability))
            opening = ""
    if opening and joined:
        last = joined[-1]
        joined[-1] = Word(last.text + opening, last.start_ms, last.end_ms, last.probability)
    return joined
