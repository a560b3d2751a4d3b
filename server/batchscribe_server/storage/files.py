"""The storage behind `file://` URIs: files below the roots that the operator allows."""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason, StoreAwayFailure
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.domain.party import NOBODY, Party
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import FoundObject, LocalInput, WrittenFile
from batchscribe_server.storage.atomic_write import AtomicWriter
from batchscribe_server.storage.file_uri import path_of, shown, uri_of
from batchscribe_server.storage.globs import Selection
from batchscribe_server.storage.mount_threads import Call, HangsError, MountThreads
from batchscribe_server.storage.objects import named_itself
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.spelling import one_spelling
from batchscribe_server.storage.tree import TreeWalk

# A chunk is one turn of the only writer: with more, whoever creates a job meanwhile would wait noticeably.
FOUND_AT_ONCE = 100

_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}

Result = TypeVar("Result")


class FileStorage:
    """Reads and writes below the roots; all work on the disk is done in threads, of which each root has its own.

    A root whose file system hangs is a store that is away: StoreAwayFailure. Calls for other roots go on.
    Outputs and the folders made for them get the permissions that `umask` leaves, as those of other programs do.
    """

    def __init__(
        self, roots: FileRoots, umask: int = 0o022, threads: Callable[[str], MountThreads] = MountThreads
    ) -> None:
        self._roots = roots
        self._writer = AtomicWriter(umask)
        self._threads = {root: threads(root) for root in (*roots.paths, "")}

    async def check_allowed(self, uri: str) -> None:
        """Raises PathNotAllowedError for a URI outside the roots."""
        await self._in_thread(uri, Reason.FETCH_FAILED, lambda _: self._roots.resolve(uri))

    @asynccontextmanager
    async def open_input(self, uri: str, party: Party = NOBODY) -> AsyncIterator[LocalInput]:
        """The file itself: nothing is copied. Its fingerprint is its size and the time it was last written.

        Raises JobFailure INPUT_CHANGED when it is left, where somebody has written to the file meanwhile.
        """
        file = await self._in_thread(uri, Reason.FETCH_FAILED, lambda _: self._open(uri), _close)
        try:
            try:
                yield file
            except JobFailure as failure:  # what is half written can't be decoded either
                await self._check_unchanged(uri, file, failure)
                raise
            await self._check_unchanged(uri, file)
        finally:
            await self._threads_of(uri).close(partial(_close, file))

    async def list_prefix(
        self,
        uri: str,
        include_globs: Sequence[str] = (),
        exclude_globs: Sequence[str] = (),
        after_cursor: str = "",
    ) -> AsyncIterator[Sequence[FoundObject]]:
        """The files below a folder, depth first in the order of their names, a hundred at a time; or the file itself.

        Links are followed as long as they stay below the roots. An unreadable folder ends the listing with
        SCAN_FAILED rather than be left out in silence, unless `exclude_globs` has it with all below (`folder/**`).
        """
        selection = await in_thread(partial(Selection, include_globs, exclude_globs))
        call = Call()
        found = self._find(uri, selection, after_cursor, call)
        while chunk := await self._in_thread(
            uri, Reason.SCAN_FAILED, lambda _: list(itertools.islice(found, FOUND_AT_ONCE)), call=call
        ):
            yield chunk

    async def write_output(
        self, uri: str, data: bytes | Iterable[bytes], on_conflict: OnConflict = OnConflict.OVERWRITE
    ) -> WrittenFile:
        """Write a file and the folders above it. A reader sees it whole or not at all, and so does a restart."""
        pieces = [data] if isinstance(data, bytes) else data
        return await self._in_thread(
            uri, Reason.OUTPUT_FAILED, lambda call: self._write(uri, _watched(pieces, call), on_conflict)
        )

    async def check_writable(self, uri: str) -> None:
        """See whether the folder may be written to, or the nearest one above that is there."""
        await self._in_thread(uri, Reason.OUTPUT_FAILED, lambda _: self._check_writable(uri))

    async def identity(self, uri: str) -> str:
        """The path with all links followed, in one spelling where the file system takes several for the same."""
        return await self._in_thread(uri, Reason.FETCH_FAILED, lambda _: self._identity(uri))

    async def exists(self, uri: str) -> bool:
        """Whether there is a file of that URI below the roots."""
        return await self._in_thread(uri, Reason.OUTPUT_FAILED, lambda _: self._exists(uri))

    async def remove(self, uri: str) -> bool:
        """Remove a file; returns whether there was one."""
        return await self._in_thread(uri, Reason.OUTPUT_FAILED, lambda _: self._remove(uri))

    async def _check_unchanged(self, uri: str, file: LocalInput, cause: JobFailure | None = None) -> None:
        await self._in_thread(uri, Reason.FETCH_FAILED, lambda _: _check_unchanged(uri, file, cause))

    async def _in_thread(
        self,
        uri: str,
        reason: Reason,
        work: Callable[[Call], Result],
        drop: Callable[[Result], None] | None = None,
        call: Call | None = None,
    ) -> Result:
        try:
            return await self._threads_of(uri).run(work, drop, call)
        except HangsError:
            raise StoreAwayFailure(reason, f"{uri}: its file system does not answer") from None

    def _threads_of(self, uri: str) -> MountThreads:
        return self._threads[self._roots.named_by(uri)]

    def _write(self, uri: str, pieces: Iterable[bytes], on_conflict: OnConflict) -> WrittenFile:
        path = self._resolve(uri, Reason.OUTPUT_FAILED)
        if (existing := self._existing(uri, path, on_conflict)) is not None:
            return existing
        try:
            with self._roots.parent_of(path, self._writer.make_folder) as (folder, name):
                replace = on_conflict is OnConflict.OVERWRITE
                return WrittenFile(uri, self._writer.write(folder, name, pieces, replace=replace))
        except FileExistsError as error:
            # Someone else wrote it while this one was being written, or a file stands where a folder is to be.
            if (existing := self._existing(uri, path, on_conflict)) is not None:
                return existing
            raise JobFailure(Reason.OUTPUT_FAILED, f"{uri} cannot be written: {_plain(error)}") from error
        except OSError as error:
            raise JobFailure(Reason.OUTPUT_FAILED, f"{uri} cannot be written: {_plain(error)}") from error

    def _existing(self, uri: str, path: str, on_conflict: OnConflict) -> WrittenFile | None:
        """The file that is there already and stays; None when one is to be written."""
        if on_conflict is OnConflict.OVERWRITE:
            return None
        try:
            status = self._roots.status_of(path)
        except OSError:  # not there; anything else is told by the writing
            return None
        if on_conflict is OnConflict.SKIP and stat.S_ISREG(status.st_mode):
            return WrittenFile(uri, status.st_size, skipped=True)
        raise JobFailure(
            Reason.OUTPUT_EXISTS, f"{uri} exists already; remove it, or let outputs be overwritten or skipped"
        )

    def _check_writable(self, uri: str) -> None:
        path = Path(self._resolve(uri, Reason.OUTPUT_FAILED))
        there = next(each for each in (path, *path.parents) if os.path.lexists(each))
        folder = there if there.is_dir() or there != path else there.parent
        if not folder.is_dir():
            raise JobFailure(Reason.OUTPUT_FAILED, f"{uri} cannot be written: {uri_of(str(folder))} is not a folder")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise JobFailure(Reason.OUTPUT_FAILED, f"{uri} cannot be written: permission denied")

    def _identity(self, uri: str) -> str:
        try:
            return uri_of(one_spelling(self._roots.resolve(uri)))
        except PathNotAllowedError:
            return uri

    def _exists(self, uri: str) -> bool:
        try:
            return stat.S_ISREG(self._roots.status_of(self._roots.resolve(uri)).st_mode)
        except (PathNotAllowedError, OSError):  # where the server may not look, the writing says so
            return False

    def _remove(self, uri: str) -> bool:
        path = self._resolve(uri, Reason.OUTPUT_FAILED)
        try:
            with self._roots.parent_of(path) as (folder, name):
                os.unlink(name, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise JobFailure(Reason.OUTPUT_FAILED, f"{uri} cannot be removed: {_plain(error)}") from error
        return True

    def _resolve(self, uri: str, reason: Reason) -> str:
        try:
            return self._roots.resolve(uri)
        except PathNotAllowedError as error:
            raise JobFailure(reason, error.message) from None

    def _open(self, uri: str) -> LocalInput:
        path = self._resolve(uri, Reason.FETCH_FAILED)
        try:
            descriptor = self._roots.open_file(path)
        except (FileNotFoundError, NotADirectoryError):
            raise JobFailure(
                Reason.FETCH_FAILED, f"there is no file {uri}; it may have been moved or removed"
            ) from None
        except OSError as error:
            raise JobFailure(Reason.FETCH_FAILED, f"{uri} cannot be read: {_plain(error)}") from error
        try:
            status = os.fstat(descriptor)
            _refuse_all_but_files(uri, status.st_mode)
        except BaseException:
            os.close(descriptor)
            raise
        return LocalInput(descriptor, status.st_size, _mark_of(status))

    def _find(self, uri: str, selection: Selection, after_cursor: str, call: Call) -> Iterator[FoundObject]:
        root = self._resolve(uri, Reason.SCAN_FAILED)
        walk = TreeWalk(root, selection.enters, self._roots, progress=call.progress)
        try:
            if not uri.endswith("/") and stat.S_ISREG((status := self._roots.status_of(root)).st_mode):
                if not after_cursor:
                    name, modified = shown(path_of(uri)), str(status.st_mtime_ns)
                    yield from named_itself(uri_of(root), name, status.st_size, modified, selection)
                return
            for file in walk.files(after_cursor):
                if selection.takes(file.relative_path):
                    mark = fingerprint(file.size_bytes, str(file.modified_ns))
                    yield FoundObject(uri_of(file.path), file.relative_path, file.size_bytes, mark)
        except FileNotFoundError:
            raise JobFailure(Reason.SCAN_FAILED, f"there is no folder {uri}") from None
        except NotADirectoryError:
            raise JobFailure(
                Reason.SCAN_FAILED, f"{uri} is a file, not a folder; name it without a slash at its end"
            ) from None
        except OSError as error:
            where = uri_of(error.filename) if isinstance(error.filename, str) else uri
            raise JobFailure(
                Reason.SCAN_FAILED,
                f"{where} cannot be listed: {_plain(error)}; let the server read it, or exclude it with FOLDER/**",
            ) from error


def _refuse_all_but_files(uri: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise JobFailure(
            Reason.FETCH_FAILED, f"{uri} is a folder; submit a batch with it as a prefix to take all its files"
        )
    if not stat.S_ISREG(mode):
        raise JobFailure(Reason.FETCH_FAILED, f"{uri} is not a regular file")


def _close(file: LocalInput) -> None:
    os.close(file.descriptor)


def _watched(pieces: Iterable[bytes], call: Call) -> Iterator[bytes]:
    """The pieces of a file that is written; nothing is published for a caller that has given up."""
    for piece in pieces:
        call.progress()
        yield piece
    call.progress()


def _mark_of(status: os.stat_result) -> str:
    return fingerprint(status.st_size, str(status.st_mtime_ns))


def _check_unchanged(uri: str, file: LocalInput, cause: JobFailure | None = None) -> None:
    if _mark_of(os.fstat(file.descriptor)) != file.fingerprint:
        raise JobFailure(
            Reason.INPUT_CHANGED, f"{uri} was written to while it was read. Submit it again once it is complete."
        ) from cause


def _plain(error: OSError) -> str:
    """What went wrong, without paths of this machine."""
    if error.errno == errno.ELOOP:
        return "a link was put in its place meanwhile"
    if error.errno in _NO_ROOM:
        return _NO_ROOM[error.errno]
    if isinstance(error, PermissionError):
        return "the server's user has no permission"
    return (error.strerror or type(error).__name__).lower()
