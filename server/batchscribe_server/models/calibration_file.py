"""The margin of one model and the figures behind it, as a TOML file."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

import msgspec

from batchscribe_engine.calibration.figures import Measured
from batchscribe_server.models.toml_text import toml_text

FULL: Literal["full"] = "full"
"""What stands in the place of a margin where full windows are needed."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class CalibrationFileError(Exception):
    """The file can't be used; the message says in plain words what is wrong with it."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What was found for the weights with this SHA-256; `model` and `speech` say for people what was measured on what.

    `set_by_hand` says why the margin is another than the figures ask for; it is empty where it is theirs.
    """

    sha256: str
    model: str
    margin_s: Annotated[float, msgspec.Meta(ge=0, le=30)] | Literal["full"]
    date: datetime.date
    speech: str
    set_by_hand: str = ""
    measured: Measured

    @property
    def window_margin_s(self) -> float | None:
        """The margin in seconds, or None for full windows."""
        return None if self.margin_s == FULL else float(self.margin_s)


def read_calibration(content: bytes) -> Calibration:
    """A calibration from a file's content. Raises CalibrationFileError."""
    try:
        calibration = msgspec.toml.decode(content, type=Calibration)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CalibrationFileError(f"it is not a calibration: {error}") from error
    if not _SHA256.fullmatch(calibration.sha256):
        raise CalibrationFileError("its sha256 is not one")
    return calibration


def written_calibration(calibration: Calibration) -> str:
    """The content of the file for a calibration."""
    head = "# How much longer than a segment the encoder's window must be for these weights; written by `calibrate`.\n"
    table = msgspec.to_builtins(calibration, builtin_types=(datetime.date,))
    del table["measured"]["type"]  # the tag that tells it from a refusal in transit
    return head + toml_text(table)
