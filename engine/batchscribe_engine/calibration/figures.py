"""What a calibration found, or why there was none: the vocabulary between its process and the server.

All errors are shares of the words that were to be heard. Without references those are the words heard in full windows,
and an error is a word that differs from them.
"""

from __future__ import annotations

import msgspec


class WindowFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one margin did; `margin_s` is "full" for windows of 30 s.

    `raw_error` is that of the first decoding alone, `checked_error` that of what is left after the checks and second
    decodings. `changed` is the share of words that differ from those heard in full windows, for better or worse, and
    `spread` how far chance alone moves `checked_error` if all of them are luck: one standard deviation. `doubted` is
    the share of segments that were decoded again; `cost` the seconds of one core (of the device, if that is a GPU) for
    a second of speech, second decodings included, features not.
    """

    margin_s: float | str
    raw_error: float
    checked_error: float
    changed: float
    spread: float
    doubted: float
    cost: float


class Measured(msgspec.Struct, frozen=True, tag=True):
    """The figures of all margins, smallest first, and of full windows, and what they were measured on and with.

    `speech_s` and `segments` count the speech as it is, `words` those of all variants.
    """

    device: str
    compute_type: str
    beam_size: int
    language: str  # empty: detected
    has_references: bool
    recordings: int
    segments: int
    speech_s: float
    words: int
    variants: tuple[str, ...]
    margins: tuple[WindowFigures, ...]
    full: WindowFigures


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Why nothing was measured: a stable reason, and plain words."""

    reason: str
    message: str


Outcome = Measured | Refused
