"""What all object stores have in common: which objects of a listing are meant, and how outputs are cut and refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from functools import partial

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.fingerprint import fingerprint
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.storage import FoundObject, WrittenFile
from batchscribe_server.storage.globs import Selection

FOUND_AT_ONCE = 100
"""How many objects a chunk of a listing has at most."""


def as_folder(name: str) -> str:
    """What the names of all objects below a prefix begin with: the prefix, taken for a folder. Empty for everything."""
    return f"{name}/" if name and not name.endswith("/") else name


def is_meant(relative_path: str, size_bytes: int, selection: Selection) -> bool:
    """Whether an object is one of the files asked for. Empty ones whose names end with a slash stand for folders."""
    if not relative_path or (relative_path.endswith("/") and not size_bytes):
        return False
    names = relative_path.split("/")[:-1]
    folders = ("/".join(names[: depth + 1]) for depth in range(len(names)))
    return all(map(selection.enters, folders)) and selection.takes(relative_path)


def meant(listed: Sequence[tuple[str, int]], selection: Selection) -> list[int]:
    """Which of a page of objects, by relative path and size, are among the files asked for. Call it in a thread."""
    return [index for index, (path, size_bytes) in enumerate(listed) if is_meant(path, size_bytes, selection)]


def named_itself(uri: str, name: str, size_bytes: int, mark: str, selection: Selection) -> list[FoundObject]:
    """An object that a prefix without anything below it names itself: all that is found, or left out by globs."""
    relative_path = name.rpartition("/")[2]
    found = FoundObject(uri, relative_path, size_bytes, fingerprint(size_bytes, mark))
    return [found] if selection.takes_named(relative_path) else []


async def in_chunks(found: AsyncGenerator[FoundObject]) -> AsyncGenerator[Sequence[FoundObject]]:
    """The same objects, `FOUND_AT_ONCE` at a time. Closes `found` with itself."""
    chunk: list[FoundObject] = []
    async with aclosing(found):
        async for each in found:
            chunk.append(each)
            if len(chunk) == FOUND_AT_ONCE:
                yield chunk
                chunk = []
    if chunk:
        yield chunk


async def in_parts(data: bytes | Iterable[bytes], part_bytes: int) -> AsyncGenerator[bytes]:
    """The same bytes in parts of `part_bytes` and more, the last one of any size. Each is made in a thread: pieces may
    be rendered, or read from a disk, only when they are asked for.
    """
    parts = _in_parts([data] if isinstance(data, bytes) else data, part_bytes)
    while (part := await in_thread(partial(next, parts, None))) is not None:
        yield part


async def preceded(first: list[bytes], rest: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The first parts, which are taken off their list, then the rest, which is closed with this. None is kept: a part
    is large, and whoever waits for the next one may wait long.
    """
    async with aclosing(rest):
        while first:
            yield first.pop(0)
        while (part := await anext(rest, None)) is not None:
            yield part
            del part


def _in_parts(pieces: Iterable[bytes], part_bytes: int) -> Iterator[bytes]:
    part = bytearray()
    for piece in pieces:
        part += piece
        if len(part) >= part_bytes:
            yield bytes(part)
            part = bytearray()
    if part:
        yield bytes(part)


def conflict(uri: str, size_bytes: int, on_conflict: OnConflict) -> WrittenFile:
    """The answer where an output is there already and stays. Raises JobFailure OUTPUT_EXISTS unless it is skipped."""
    if on_conflict is OnConflict.SKIP:
        return WrittenFile(uri, size_bytes, skipped=True)
    raise JobFailure(Reason.OUTPUT_EXISTS, f"{uri} exists already; remove it, or let outputs be overwritten or skipped")
