"""The ports to manifests that lie in files: their records, what these mean, and which names there were before.

All of it blocks, and is to be called in threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from batchscribe_server.domain.batch import ManifestEntry
from batchscribe_server.domain.recognition import OutputConfig, RecognitionConfig


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two records of a manifest: the bytes and the lines before it."""

    offset_bytes: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """What stands for one file: its fields by their names, or what is wrong with it as text. `line` is from 1."""

    line: int
    end: Place
    fields: Mapping[str, object] = field(default_factory=dict)
    problem: str = ""


class ManifestFile(Protocol):
    """A manifest as a local file, read from a place on without what came before it."""

    def records(self, after: Place | None, limit: int) -> Sequence[Record]:
        """At most so many records, from the first one on where `after` is None; none at the end.

        After one that can't be read at all there are none. Raises JobFailure INPUT_CHANGED where the file was written
        to since it was opened, and FETCH_FAILED where it can't be read.
        """
        ...


class NamesSeen(Protocol):
    """Remembers names in bounded memory, with the lines at which they were seen first."""

    def repeated(self, named: Sequence[tuple[str, int]]) -> Sequence[tuple[int, int]]:
        """Note names with their lines. The lines of those that were seen before, each with the first line of it."""
        ...

    def known(self, named: Sequence[tuple[str, int]]) -> Sequence[tuple[int, int]]:
        """As `repeated`, but nothing is noted."""
        ...


class Manifests(Protocol):
    """Opens manifests, and what is needed to check one."""

    def open(self, descriptor: int, name: str) -> ManifestFile:
        """The manifest in a file that stays open meanwhile; `name` is what it is called, and may tell its format.

        Raises JobFailure MANIFEST_INVALID where it has no format that is known, FETCH_FAILED where it can't be read.
        """
        ...

    def names_seen(self) -> AbstractContextManager[NamesSeen]:
        """A memory for names, which is empty as yet."""
        ...


class ReadEntry(Protocol):
    """What the fields of a record mean in the manifest of one batch."""

    def __call__(self, fields: Mapping[str, object]) -> ManifestEntry:
        """The file, with its own config laid over its batch's. Raises InvalidArgumentError naming each bad field."""
        ...


class EntryReaders(Protocol):
    """Makes the readers of entries."""

    def __call__(self, config: RecognitionConfig, output: OutputConfig) -> ReadEntry:
        """The one for a batch of that config and output."""
        ...
