"""How long the encoder's window is, and how many segments go into it at once.

Whisper was trained on windows of 30 s, and its encoder costs more than linearly with the window's length. A window of
the segment's length plus a margin costs a fraction; the margin is silence, which the model needs to see that the
speech has ended. Too small a margin makes it repeat its last words or stop early (see `quality`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.messages import MAX_SEGMENT_S, SAMPLE_RATE_HZ

if TYPE_CHECKING:
    import numpy.typing as npt

    Mel = npt.NDArray[np.float32]

FRAMES_PER_S = 100
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAMES_PER_S
FULL_WINDOW_FRAMES = MAX_SEGMENT_S * FRAMES_PER_S

MAX_NEW_TOKENS = 224
"""Half of Whisper's context: what it may say about one window."""

DYNAMIC_RANGE = 2.0
"""Whisper clips its log-mel features at 80 dB below their peak: 2.0 after scaling."""

FRAMES_PER_POSITION = 2
"""The encoder halves the number of frames: its output has a position for each 20 ms."""

_EDGE_POSITIONS = 5

_SILENCE = -1.5  # the feature of digital silence, which nothing lies below


def window_frames(samples: int, margin_s: float | None) -> int:
    """The window's length in frames of 10 ms, even and at most 30 s; a margin of None asks for the whole 30 s."""
    if margin_s is None:
        return FULL_WINDOW_FRAMES
    frames = math.ceil(samples / SAMPLES_PER_FRAME + margin_s * FRAMES_PER_S)
    return min(FULL_WINDOW_FRAMES, frames + frames % FRAMES_PER_POSITION)


def content_frames(samples: int) -> int:
    """How many frames the segment itself takes, without the margin."""
    return min(FULL_WINDOW_FRAMES, max(2, math.ceil(samples / SAMPLES_PER_FRAME)))


def stack(mels: Sequence[Mel], frames: int) -> Mel:
    """Log-mel features of shape (n_mels, n), each padded with silence or cut, as one (len(mels), n_mels, frames)."""
    batch = np.empty((len(mels), mels[0].shape[0], frames), dtype=np.float32)
    for row, mel in zip(batch, mels, strict=True):
        heard = mel[:, :frames]
        row[:, : heard.shape[1]] = heard
        row[:, heard.shape[1] :] = max(float(mel.max()) - DYNAMIC_RANGE, _SILENCE)
    return batch


def padded_with_quiet(outputs: Sequence[Mel], content: Sequence[int]) -> Mel:
    """The encoder's outputs for windows of unlike lengths, each (positions, width), as one (n, longest, width).

    `content` is how many frames of each window are its segment. A shorter output goes on with what the encoder made of
    the second half of its own margin, over and over: to the decoder that is a longer margin. Zeros are not, nor is the
    window's last position, beyond which the encoder saw nothing: padded with either, more words come out wrong.
    """
    even = np.empty((len(outputs), max(map(len, outputs)), outputs[0].shape[1]), dtype=np.float32)
    for row, output, heard in zip(even, outputs, content, strict=True):
        row[: len(output)] = output
        if missing := len(row) - len(output):
            end = max(1, len(output) - _EDGE_POSITIONS)
            start = min(end - 1, (heard // FRAMES_PER_POSITION + end) // 2)
            row[len(output) :] = np.resize(output[start:end], (missing, output.shape[1]))
    return even


def token_limit(samples: int, language: str) -> int:
    """The most tokens that speech of this length can be worth; `language` is Whisper's code, or nothing.

    Quick English takes 6 tokens a second; scripts whose letters are several tokens each, up to twenty. Who reaches
    the limit is repeating itself, or is decoded again without it (see `quality`). A loop costs every token up to the
    limit: where the language is known to be English, it is nearer.
    """
    first, each_s = (8, 7) if language == "en" else (16, 12)
    return min(MAX_NEW_TOKENS, first + math.ceil(each_s * samples / SAMPLE_RATE_HZ))


@dataclass(frozen=True, slots=True)
class WorkSpace:
    """How much of a batch is worked on at once, in frames of all its windows together; one window always fits.

    `encoder_frames` bounds what goes through the encoder at once, `decoder_frames` what is decoded together: of each
    such window the keys and values of every decoder layer are kept until its text has ended.
    """

    encoder_frames: int
    decoder_frames: int


def portions(frames: Sequence[int], max_frames: int) -> list[list[int]]:
    """Divide windows, given by their lengths, into portions to be worked on together; returns their indices.

    Windows of like length share a portion, in which each is padded to the longest: no portion comes to more than
    `max_frames`, unless it is one window alone. Portions are about equally large, since a small one costs nearly as
    much as a large one.
    """
    order = sorted(range(len(frames)), key=lambda index: -frames[index])
    divided: list[list[int]] = []
    while order:
        fitting = max(1, max_frames // max(1, frames[order[0]]))
        size = math.ceil(len(order) / math.ceil(len(order) / fitting))
        divided.append(order[:size])
        order = order[size:]
    return divided


def neighbours(frames: Sequence[int], max_frames: int) -> list[slice]:
    """Divide windows, given by their lengths, into runs of neighbours that come to at most `max_frames` when all are
    padded to the longest of the run; a window too long for that is a run of its own.
    """
    runs: list[slice] = []
    start, longest = 0, 0
    for place, length in enumerate(frames):
        longest = max(longest, length)
        if place > start and longest * (place + 1 - start) > max_frames:
            runs.append(slice(start, place))
            start, longest = place, length
    return [*runs, slice(start, len(frames))]
