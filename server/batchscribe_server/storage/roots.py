"""The directories that the operator lets `file://` URIs reach."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from batchscribe_server.domain.errors import PathNotAllowedError
from batchscribe_server.storage.file_uri import MalformedFileUriError, path_of

_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
"""Where there is O_PATH, a folder need not be readable to be passed through."""


class FileRoots:
    """Resolves URIs to real paths below one of the roots, whatever `..` and symbolic links lead to.

    What a path leads to may change between a look at it and its use. So files are reached from a root down, folder by
    folder, without following any link (`parent_of`): a link that stays below the roots was followed by `resolve`, and
    one that somebody puts in the way afterwards is an error.
    """

    def __init__(self, roots: Iterable[str | Path]) -> None:
        named = [(os.path.abspath(root), os.path.realpath(root)) for root in roots]  # noqa: PTH100 - no look at the disk
        self._roots = tuple(real for _, real in named)
        self._named = dict([*((real, real) for real in self._roots), *named, ("", "")])

    @property
    def paths(self) -> tuple[str, ...]:
        """The real paths of the roots."""
        return self._roots

    def named_by(self, uri: str) -> str:
        """The root that a URI names, as its words go: nothing is looked at, no link followed. "" for none."""
        try:
            path = os.path.normpath(path_of(uri))
        except MalformedFileUriError:
            return ""
        return self._named[max(filter(partial(_is_below, path), self._named), key=len, default="")]

    def resolve(self, uri: str) -> str:
        """The real path that a URI names, existing or not.

        Raises PathNotAllowedError for one outside the roots, with the same words whether or not it exists.
        """
        try:
            real_path = os.path.realpath(path_of(uri))
        except MalformedFileUriError as error:
            raise PathNotAllowedError(str(error), uri=uri) from None
        except OSError as error:  # a link that was replaced while it was followed
            raise PathNotAllowedError(f"{uri} changed while its links were followed; try again", uri=uri) from error
        if not self.contains(real_path):
            raise PathNotAllowedError(
                f"{uri} is outside the folders that this server may use; its operator allows a folder with --file-root",
                uri=uri,
            )
        return real_path

    def contains(self, real_path: str) -> bool:
        """Whether a real path is a root or lies below one."""
        return self._root_of(real_path) is not None

    @contextmanager
    def parent_of(
        self, real_path: str, make_folder: Callable[[str, int], None] | None = None
    ) -> Iterator[tuple[int, str]]:
        """The folder that holds a real path, open for as long as the context lasts, and the path's name in it.

        A folder that is not there is made by `make_folder(name, parent)`, and so is a root that the operator named
        before it was there. Raises OSError, also where a link or anything else stands where a folder was to be.
        """
        root = self._root_of(real_path)
        if root is None:
            raise ValueError(f"{real_path!r} is outside the roots")
        names = real_path[len(root) :].strip("/").split("/")
        if names == [""]:
            root, names = os.path.dirname(root), [os.path.basename(root) or "."]  # noqa: PTH119, PTH120 - may be "/"
        if make_folder is not None:
            Path(root).mkdir(parents=True, exist_ok=True)
        folder = os.open(root, _FOLDER)
        try:
            for name in names[:-1]:
                folder = _replaced(folder, _opened(name, folder, make_folder))
            yield folder, names[-1]
        except OSError as error:
            error.filename = real_path  # a name alone would not tell which
            raise
        finally:
            os.close(folder)

    def open_file(self, real_path: str) -> int:
        """Open a file for reading. Raises OSError; does not wait for the other end of a pipe."""
        with self.parent_of(real_path) as (folder, name):
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)

    @contextmanager
    def open_folder(self, real_path: str) -> Iterator[int]:
        """A folder, open to be listed for as long as the context lasts. Raises OSError."""
        with self.parent_of(real_path) as (parent, name):
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            folder = os.open(name, flags, dir_fd=parent)
        try:
            yield folder
        finally:
            os.close(folder)

    def status_of(self, real_path: str) -> os.stat_result:
        """What lies at a real path. Raises OSError."""
        with self.parent_of(real_path) as (folder, name):
            return os.stat(name, dir_fd=folder, follow_symlinks=False)

    def _root_of(self, real_path: str) -> str | None:
        return next(filter(partial(_is_below, real_path), self._roots), None)


def _is_below(path: str, root: str) -> bool:
    return bool(root) and (path == root or path.startswith(root.rstrip("/") + "/"))


def _opened(name: str, parent: int, make_folder: Callable[[str, int], None] | None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except FileNotFoundError:
        if make_folder is None:
            raise
        make_folder(name, parent)
        return os.open(name, _FOLDER, dir_fd=parent)


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new
