"""The recordings of a folder, and what is said in them where that is known."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

REFERENCES = "references.tsv"
_COLUMNS = ("file", "channel", "text")
_MIXED = "mono"


class SpeechFolderError(Exception):
    """The folder can't be used; the message says why in plain words."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording; `text` is what is said in it, or None where nobody wrote that down."""

    path: Path
    text: str | None = None


def recordings_in(folder: Path) -> list[Recording]:
    """The recordings to calibrate on, in order of their names. Raises SpeechFolderError.

    With a `references.tsv` (tab-separated, columns file, channel, text) those it names, without the rows that tell of
    one channel of several; else all files that aren't hidden, whatever they hold.
    """
    if not folder.is_dir():
        raise SpeechFolderError(f"there is no folder {folder}")
    try:
        if (folder / REFERENCES).is_file():
            recordings = _referenced(folder)
        else:
            recordings = [
                Recording(path) for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")
            ]
    except OSError as error:
        raise SpeechFolderError(f"{error.filename} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if not recordings:
        raise SpeechFolderError(f"there are no recordings in {folder}")
    return sorted(recordings, key=lambda recording: recording.path)


def _referenced(folder: Path) -> list[Recording]:
    file = folder / REFERENCES
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [column for column in _COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise SpeechFolderError(f"{file} has no column {' and no '.join(missing)}")
            named = [(row["file"], row["channel"], row["text"]) for row in rows]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SpeechFolderError(f"{file} is not a table in UTF-8: {error}") from error
    recordings: dict[Path, Recording] = {}
    for name, channel, text in named:
        if channel != _MIXED:
            continue
        path = folder / name
        if text is None:
            raise SpeechFolderError(f"{file} does not say what is said in {name}")
        if not path.is_file():
            raise SpeechFolderError(f"{file} names {name}, which is not there")
        if path in recordings:
            raise SpeechFolderError(f"{file} names {name} twice")
        recordings[path] = Recording(path, text)
    return list(recordings.values())
