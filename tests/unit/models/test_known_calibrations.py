"""Calibrations as files: written, read, refused, and looked up by digest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import structlog.testing

from batchscribe_engine.calibration.policy import chosen_margin_s
from batchscribe_server.models.calibration_file import CalibrationFileError, read_calibration, written_calibration
from batchscribe_server.models.known_calibrations import Calibrations
from batchscribe_server.models.whisper_sizes import WHISPER_SIZES
from tests.calibrations import calibration

ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder with what comes with a package: a margin of 2 s for the first weights."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "one.toml").write_text(written_calibration(calibration(ONE, 2.0)))
    return folder


def test_what_is_written_is_read_again() -> None:
    for margin_s in (0.5, 2.0, "full"):
        written = calibration(ONE, margin_s)
        assert read_calibration(written_calibration(written).encode()) == written


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda text: text[: len(text) // 2], "not a calibration"),
        (lambda text: "", "missing required field `sha256`"),
        (lambda text: text.replace("margin_s = 2.0\ndate", "margin_s = -1\ndate"), "margin_s"),
        (lambda text: text.replace("margin_s = 2.0\ndate", "margin_s = nan\ndate"), "margin_s"),
        (lambda text: text.replace("margin_s = 2.0\ndate", "margin_s = inf\ndate"), "margin_s"),
        (lambda text: text.replace("margin_s = 2.0\ndate", "margin_s = 'some'\ndate"), "margin_s"),
        (lambda text: text.replace(ONE, "../" + ONE), "sha256"),
        (lambda text: "colour = 'red'\n" + text, "colour"),
    ],
)
def test_damage_is_told(damage: Callable[[str], str], problem: str) -> None:
    with pytest.raises(CalibrationFileError, match=problem):
        read_calibration(damage(written_calibration(calibration(ONE, 2.0))).encode())
    with pytest.raises(CalibrationFileError):
        read_calibration(b"\xff\xfe")


def test_weights_that_nobody_measured_get_full_windows(tmp_path: Path, shipped: Path) -> None:
    known = Calibrations(tmp_path / "local", shipped)
    assert (known.margin_s(ONE), known.margin_s(OTHER), known.margin_s("")) == (2.0, None, None)


def test_what_was_measured_here_comes_before_what_is_shipped(tmp_path: Path, shipped: Path) -> None:
    known = Calibrations(tmp_path / "local", shipped)
    Calibrations(tmp_path / "local", shipped).store(calibration(OTHER, 1.0))
    assert (known.margin_s(ONE), known.margin_s(OTHER)) == (2.0, 1.0)
    known.store(calibration(ONE, 4.0))
    assert known.margin_s(ONE) == 4.0
    known.store(calibration(ONE, "full"))
    assert known.margin_s(ONE) is None
    assert sorted(path.name for path in (tmp_path / "local").iterdir()) == [f"{ONE}.toml", f"{OTHER}.toml"]


def test_a_damaged_file_means_full_windows_and_one_warning(tmp_path: Path, shipped: Path) -> None:
    known = Calibrations(tmp_path / "local", shipped)
    file = known.store(calibration(ONE, 1.0))
    file.write_text("margin_s = 1")
    with structlog.testing.capture_logs() as logs:
        assert (known.margin_s(ONE), known.margin_s(ONE)) == (None, None)
    assert [(entry["event"], entry["file"]) for entry in logs] == [("calibration_not_usable", str(file))]
    known.store(calibration(ONE, 1.0))
    assert known.margin_s(ONE) == 1.0


def test_a_file_under_the_digest_of_other_weights_is_not_believed(tmp_path: Path, shipped: Path) -> None:
    known = Calibrations(tmp_path / "local", shipped)
    known.store(calibration(OTHER, 1.0)).rename(known.local_file(ONE))
    with structlog.testing.capture_logs() as logs:
        assert known.margin_s(ONE) is None
    assert "other weights" in logs[0]["problem"]


def test_what_is_shipped_is_of_the_pinned_weights_and_follows_from_its_figures(tmp_path: Path) -> None:
    pinned = {size.sha256: name for name, size in WHISPER_SIZES.items() if size.sha256}
    with structlog.testing.capture_logs() as logs:
        shipped = Calibrations(tmp_path).shipped
    assert logs == []
    assert {sha256: each.model for sha256, each in shipped.items()} == pinned
    for each in shipped.values():
        assert (each.window_margin_s == chosen_margin_s(each.measured)) != bool(each.set_by_hand)
