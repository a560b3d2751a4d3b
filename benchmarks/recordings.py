"""Recordings and what is said in them, read from a folder with a list of references."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import av


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording, what is said in it, and how long it is."""

    path: Path
    text: str
    duration_s: float


def read_references(folder: Path) -> list[Recording]:
    """The recordings of a folder whose references.tsv (file, channel, text; tab-separated) calls them "mono"."""
    with (folder / "references.tsv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    paths = [((folder / row["file"]).resolve(), row["text"]) for row in rows if row["channel"] == "mono"]
    if not paths:
        raise ValueError(f"{folder / 'references.tsv'} names no mono recording")
    return [Recording(path, text, duration_s(path)) for path, text in paths]


def duration_s(path: Path) -> float:
    """How long a media file is, by its container. Raises ValueError where that doesn't say."""
    with av.open(str(path)) as container:
        if not container.duration:
            raise ValueError(f"{path} does not say how long it is")
        return float(container.duration / av.time_base)
