"""Calibrations made up, for tests that measure nothing."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from batchscribe_engine.calibration.figures import Measured, WindowFigures
from batchscribe_server.models.calibration_file import Calibration

FULL_WINDOWS = WindowFigures("full", 0.05, 0.05, 0.0, 0.0, 0.0, 0.30)


def harmless(margin_s: float, **figures: float) -> WindowFigures:
    """A margin that costs the more the larger it is and changes nothing, but for the `figures` given."""
    usual: Mapping[str, Any] = {
        "margin_s": margin_s,
        "raw_error": 0.05,
        "checked_error": 0.05,
        "changed": 0.0,
        "spread": 0.0,
        "doubted": 0.02,
        "cost": 0.05 + 0.01 * margin_s,
    }
    return WindowFigures(**{**usual, **figures})


def measured(
    margins: Sequence[WindowFigures],
    *,
    has_references: bool = True,
    segments: int = 40,
    speech_s: float = 300.0,
    full: WindowFigures = FULL_WINDOWS,
) -> Measured:
    """What a calibration may have found."""
    return Measured(
        device="cpu",
        compute_type="int8",
        beam_size=1,
        language="en",
        has_references=has_references,
        recordings=segments,
        segments=segments,
        speech_s=speech_s,
        words=1000,
        variants=("as it is",),
        margins=tuple(margins),
        full=full,
    )


def calibration(sha256: str, margin_s: float | Literal["full"]) -> Calibration:
    """A calibration of the weights with this digest."""
    return Calibration(
        sha256=sha256,
        model='whisper "de"\\',
        margin_s=margin_s,
        date=datetime.date(2026, 11, 22),
        speech="calls\tof\nMay \x7f\u2028 \U0001f3a7",
        measured=measured([harmless(1.0), harmless(2.0)]),
    )
