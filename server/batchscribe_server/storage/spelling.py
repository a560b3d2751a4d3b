"""One spelling for a path where the file system takes several for the same: macOS, Windows shares, FAT."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def one_spelling(path: str) -> str:
    """The path as all spellings of it that lead to one file are written; as it is where case matters."""
    above = (each for each in Path(path).parents if os.path.isdir(each))  # noqa: PTH112 - is_dir may raise
    folder = next(above, None)
    if folder is None or not _ignores_case(folder):
        return path
    return unicodedata.normalize("NFC", path).casefold()


def _ignores_case(folder: Path) -> bool:
    """Whether a name in the folder, or its own where it holds none, leads to the same file in the other case."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.path for entry in entries)
            known = Path(next((name for name in names if _swapped(Path(name)) != Path(name)), folder))
        return _swapped(known) != known and _swapped(known).samefile(known)
    except OSError:
        return False


def _swapped(path: Path) -> Path:
    return path.with_name(path.name.swapcase()) if path.name else path
