"""The calibrations that there are: those made on this machine, and before it those that come with the package."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import structlog

from batchscribe_server.models.calibration_file import (
    Calibration,
    CalibrationFileError,
    read_calibration,
    written_calibration,
)

SHIPPED = Path(__file__).with_name("calibrations")
"""One file for each published size that was measured; the other sizes are not measured, and get full windows."""

_SHA256 = re.compile(r"[0-9a-f]{64}")

log = structlog.get_logger()


class Calibrations:
    """Calibrations by the digest of a model's weights; those in `local_dir` come before those shipped.

    Files are looked at when they are asked for, so that what another process stores counts from then on. One that is
    damaged is no reason to end: it is told of once, and its model gets full windows.
    """

    def __init__(self, local_dir: Path, shipped_dir: Path = SHIPPED) -> None:
        self._local_dir = local_dir
        self._told: set[tuple[Path, int]] = set()
        self._shipped = self._read_shipped(shipped_dir)

    @property
    def shipped(self) -> Mapping[str, Calibration]:
        """Those that come with the package, by digest."""
        return self._shipped

    def margin_s(self, sha256: str) -> float | None:
        """The margin for weights with this digest, None for full windows: also for weights that nobody measured."""
        calibration = self.find(sha256)
        return calibration.window_margin_s if calibration is not None else None

    def find(self, sha256: str) -> Calibration | None:
        """The calibration for weights with this digest, the local one if there is one, be it usable or not."""
        if not _SHA256.fullmatch(sha256):
            return None
        file = self.local_file(sha256)
        return self._read(file, sha256) if file.is_file() else self._shipped.get(sha256)

    def local_file(self, sha256: str) -> Path:
        """Where this machine's calibration for weights with this digest is kept."""
        return self._local_dir / f"{sha256}.toml"

    def store(self, calibration: Calibration) -> Path:
        """Keep a calibration for this machine: whole, or not at all. Returns its file. Raises OSError."""
        file = self.local_file(calibration.sha256)
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
        try:
            unfinished.write_text(written_calibration(calibration), encoding="utf-8")
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        return file

    def _read_shipped(self, folder: Path) -> dict[str, Calibration]:
        read = (self._read(file) for file in sorted(folder.glob("*.toml")))
        return {calibration.sha256: calibration for calibration in read if calibration is not None}

    def _read(self, file: Path, sha256: str | None = None) -> Calibration | None:
        try:
            calibration = read_calibration(file.read_bytes())
        except OSError as error:
            problem = (error.strerror or str(error)).lower()
        except CalibrationFileError as error:
            problem = str(error)
        else:
            if sha256 in (None, calibration.sha256):
                return calibration
            problem = "it tells of other weights than its name"
        self._tell(file, problem)
        return None

    def _tell(self, file: Path, problem: str) -> None:
        try:
            state = (file, file.stat().st_mtime_ns)
        except OSError:
            state = (file, 0)
        if state not in self._told:
            self._told.add(state)
            log.warning(
                "calibration_not_usable",
                file=str(file),
                problem=problem,
                remedy="the model gets full windows; calibrate it again, or remove the file",
            )
