"""The rest of a segment: speech after the text's last word, where a model stopped before the segment ended.

A small model may stop where another voice begins, in a longer window as in a short one. Few tokens for the sound are
the sign, and where the last word was heard is the proof: what comes long after it is heard as a segment of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from msgspec.structs import replace

from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.quality import Fault
from batchscribe_engine.inference.windows import FRAMES_PER_S, SAMPLES_PER_FRAME
from batchscribe_engine.inference.words import quiet_frames
from batchscribe_engine.messages import SegmentResult

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

FEW_TOKENS_PER_S = 3.0
"""Whoever has fewer for each second of sound is looked at: English read aloud has about 4. Looking costs an alignment,
a tenth of what decoding costs."""

MIN_REST_S = 3.0
"""From the beginning of the last word to the end of the sound: less than this may be a long word, or a breath."""

MAX_LAST_WORD_S = 2.0
"""The rest begins in the quietest moment within so much of the beginning of the last word."""

_UNSPACED_LANGUAGES = frozenset({"zh", "ja", "yue", "th", "lo", "my"})
"""Those that are written without spaces between words."""

_MIN_LAST_WORD_FRAMES = 10
_MOMENT_FRAMES = 20
_FRAME_MS = 1000 // FRAMES_PER_S


def has_few_tokens(tokens: Sequence[int], mel: Mel) -> bool:
    """Whether the text is little for the sound in these log-mel features of shape (n_mels, n), and not nothing."""
    heard_s = int(np.count_nonzero(~quiet_frames(mel))) / FRAMES_PER_S
    return 0 < len(tokens) < FEW_TOKENS_PER_S * heard_s


def rest_start_frame(last_word_start_ms: int, mel: Mel) -> int | None:
    """The frame of the features where the speech after the last word begins, or None where there is hardly any."""
    last_word = last_word_start_ms // _FRAME_MS
    end = int(np.flatnonzero(~quiet_frames(mel))[-1]) + 1
    if end - last_word < MIN_REST_S * FRAMES_PER_S:
        return None
    first = last_word + _MIN_LAST_WORD_FRAMES
    loudness: npt.NDArray[np.float32] = mel[:, first : last_word + round(MAX_LAST_WORD_S * FRAMES_PER_S)].max(axis=0)
    moments = np.convolve(loudness, np.ones(_MOMENT_FRAMES), mode="valid")
    return first + int(np.argmin(moments)) + _MOMENT_FRAMES // 2


def rest_of(utterance: Utterance, start_frame: int, language: str) -> Utterance:
    """An utterance from the frame `start_frame` on; its language is known by now."""
    samples = utterance.task.samples - start_frame * SAMPLES_PER_FRAME
    return Utterance(replace(utterance.task, samples=samples, language=language), utterance.mel[:, start_frame:])


def joined(first: SegmentResult, rest: SegmentResult, start_frame: int, task: str) -> SegmentResult:
    """The result of a segment of which the rest, from `start_frame` on, was heard by itself, in Whisper's `task`.

    The probability is the mean of both by the lengths of their texts. How often this happens is told by a doubt.
    """
    doubts = (*first.doubts, (first.decoding, Fault.STOPPED_EARLY.value), *rest.doubts)
    if not rest.text:
        return replace(first, doubts=doubts)
    spaced = task == "translate" or first.language not in _UNSPACED_LANGUAGES
    start_ms = start_frame * _FRAME_MS
    lengths = len(first.text), len(rest.text)
    return replace(
        first,
        text=(" " if spaced else "").join((first.text, rest.text)),
        words=(
            *first.words,
            *(replace(word, start_ms=start_ms + word.start_ms, end_ms=start_ms + word.end_ms) for word in rest.words),
        ),
        avg_log_prob=(first.avg_log_prob * lengths[0] + rest.avg_log_prob * lengths[1]) / sum(lengths),
        compression_ratio=max(first.compression_ratio, rest.compression_ratio),
        temperature=max(first.temperature, rest.temperature),
        doubts=doubts,
    )
