"""What the catalog says of a model's margin once a calibration is kept in its folder."""

from __future__ import annotations

import hashlib
from pathlib import Path

import structlog.testing

from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.models.hub import Hub
from batchscribe_server.models.known_calibrations import Calibrations
from batchscribe_server.models.packages import installed_folder
from tests.calibrations import calibration
from tests.whisper_folder import write_whisper_folder


def catalog(tmp_path: Path, default: str) -> ModelCatalog:
    return ModelCatalog(
        default, tmp_path / "data", hub_allowed=False, hub=Hub(tmp_path / "hub"), locate_package=installed_folder
    )


def calibrations(tmp_path: Path) -> Calibrations:
    return Calibrations(tmp_path / "data" / "calibrations")


async def test_a_model_of_ones_own_gets_its_margin_once_it_is_calibrated(tmp_path: Path) -> None:
    folder = write_whisper_folder(tmp_path / "whisper-de", weights=b"tuned")
    models = catalog(tmp_path, str(folder))
    assert (await models.resolve("")).window_margin_s is None

    calibrations(tmp_path).store(calibration(hashlib.sha256(b"tuned").hexdigest(), 1.5))
    assert (await models.resolve("")).window_margin_s == 1.5
    # Other weights in the same folder are another model.
    (folder / "model.bin").write_bytes(b"tuned again")
    assert (await models.resolve("")).window_margin_s is None


async def test_what_was_measured_here_holds_for_a_published_model_too(tmp_path: Path) -> None:
    models = catalog(tmp_path, "tiny.en")
    shipped = await models.resolve("")
    assert shipped.window_margin_s is not None
    calibrations(tmp_path).store(calibration(shipped.sha256, "full"))
    assert models.get("tiny.en").window_margin_s is None
    assert (await models.resolve("tiny.en")).window_margin_s is None


async def test_a_damaged_calibration_is_told_of_and_leaves_the_model_usable(tmp_path: Path) -> None:
    folder = write_whisper_folder(tmp_path / "whisper-de")
    known = calibrations(tmp_path)
    known.store(calibration(hashlib.sha256(b"weights").hexdigest(), 1.5)).write_bytes(b"\x00cut o")
    with structlog.testing.capture_logs() as logs:
        model = await catalog(tmp_path, str(folder)).resolve("")
    assert (model.window_margin_s, model.path) == (None, str(folder))
    assert [entry["event"] for entry in logs] == ["calibration_not_usable"]
