"""Tokens and their alignment with the audio, made into words with times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.messages import Word

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

ALIGNMENT_STEP_MS = 20
"""One frame of the encoder's output."""

QUIET_BELOW_PEAK = 1.0
"""In scaled log-mel features: 40 dB."""

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
    quiet: npt.NDArray[np.bool_],
    length_ms: int,
) -> tuple[Word, ...]:
    """The words of a segment with their times.

    `texts` are the words as the tokenizer splits them, punctuation apart and spaces leading, and `tokens` the tokens
    of each; `quiet` tells of each frame whether it is (see `quiet_frames`). Times never run backwards and lie within
    0 and `length_ms`.
    """
    first_frames: dict[int, int] = {}
    for token, frame in alignment.path:
        first_frames.setdefault(token, frame)
    words: list[Word] = []
    position = 0
    for text, its_tokens in zip(texts, tokens, strict=True):
        after = position + len(its_tokens)
        probabilities = alignment.probabilities[position:after]
        start_ms = min(length_ms, first_frames.get(position, 0) * ALIGNMENT_STEP_MS)
        end_ms = min(length_ms, first_frames.get(after, alignment.path[-1][1] + 1) * ALIGNMENT_STEP_MS)
        words.append(Word(text, start_ms, max(start_ms, end_ms), sum(probabilities) / max(1, len(probabilities))))
        position = after
    return tuple(
        Word(word.text.strip(), *without_pauses(word.start_ms, word.end_ms, quiet), word.probability)
        for word in with_punctuation(words)
        if word.text.strip()
    )


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
