"""Walks a directory tree in a stable order, from a cursor on, in bounded memory.

Depth first, names in the order of their characters, files and folders alike. Of each folder on the way at most
`NAMES_AT_ONCE` names are held: a larger one is read again for its next names.
"""

from __future__ import annotations

import errno
import heapq
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from batchscribe_server.storage.file_uri import shown
from batchscribe_server.storage.roots import FileRoots

NAMES_AT_ONCE = 50_000

MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A regular file: its path, its path below the tree's root as text, its size, and when it was last written."""

    path: str
    relative_path: str
    size_bytes: int
    modified_ns: int


class _Entry(NamedTuple):
    shown_name: str
    name: str
    is_folder: bool
    is_link: bool


class TreeWalk:
    """One walk from the real path `root`. `enters` decides on folders by relative path; links are followed as long as
    they stay below `roots`. `progress` is called for each entry, and may raise to end the walk.
    """

    def __init__(
        self,
        root: str,
        enters: Callable[[str], bool],
        roots: FileRoots,
        names_at_once: int = NAMES_AT_ONCE,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._root = root
        self._enters = enters
        self._roots = roots
        self._names_at_once = names_at_once
        self._progress = progress

    def files(self, after: str = "") -> Iterator[TreeFile]:
        """The files after that relative path. Folders that vanish meanwhile are passed over; other OSErrors are not.

        No directory is held open between two files, so a walk may be abandoned at any of them.
        """
        yield from self._below(self._root, "", after.split("/") if after else [], (self._root,))

    def _below(self, folder: str, prefix: str, cursor: list[str], real_folders: tuple[str, ...]) -> Iterator[TreeFile]:
        if len(real_folders) > MAX_DEPTH:
            raise OSError(errno.ENAMETOOLONG, f"more than {MAX_DEPTH} folders inside each other", folder)
        for entry in self._entries(real_folders[-1], cursor[0] if cursor else ""):
            self._progress()
            path = f"{folder}/{entry.name}"
            relative_path = prefix + entry.shown_name
            rest = cursor[1:] if cursor and entry.shown_name == cursor[0] else []
            if entry.is_folder:
                real_folder = os.path.realpath(path) if entry.is_link else f"{real_folders[-1]}/{entry.name}"
                # A link to a folder that the walk is in would go round for ever.
                looping = real_folder in real_folders
                if (
                    not looping
                    and self._enters(relative_path)
                    and (not entry.is_link or self._roots.contains(real_folder))
                ):
                    try:
                        yield from self._below(path, relative_path + "/", rest, (*real_folders, real_folder))
                    except (FileNotFoundError, NotADirectoryError):
                        continue
            elif not (cursor and entry.shown_name == cursor[0]):
                real_path = os.path.realpath(path) if entry.is_link else f"{real_folders[-1]}/{entry.name}"
                status = self._status_of(real_path, is_link=entry.is_link)
                if status is not None:
                    yield TreeFile(path, relative_path, status.st_size, status.st_mtime_ns)

    def _entries(self, folder: str, first: str) -> Iterator[_Entry]:
        """The entries of a folder from the name `first` on, in the order of the names as they are shown, since that is
        what a cursor holds.
        """
        last = (first, "")
        while True:
            with self._roots.open_folder(folder) as opened, os.scandir(opened) as found:
                # Names differ within a folder, so that entries themselves are never compared.
                named = ((shown(entry.name), entry.name, entry) for entry in self._watched(found))
                some = heapq.nsmallest(self._names_at_once, (item for item in named if item[:2] > last))
                entries = [
                    _Entry(shown_name, name, _is_folder(entry), entry.is_symlink()) for shown_name, name, entry in some
                ]
            yield from entries
            if len(some) < self._names_at_once:
                return
            last = some[-1][:2]

    def _watched(self, found: Iterable[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in found:
            self._progress()
            yield entry

    def _status_of(self, real_path: str, *, is_link: bool) -> os.stat_result | None:
        """That of a regular file; None for what is none, has vanished or is out of reach."""
        if is_link and not self._roots.contains(real_path):
            return None
        try:
            status = self._roots.status_of(real_path)
        except OSError as error:
            if is_link or isinstance(error, (FileNotFoundError, NotADirectoryError)):
                return None
            raise
        return status if stat.S_ISREG(status.st_mode) else None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to what can't be looked at: left out when it comes to its size
        return False
