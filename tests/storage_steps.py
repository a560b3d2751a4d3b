"""What the tests of all storages do with one: read, list, and see how it fails."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Sequence

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.storage import FoundObject, LocalInput, Storage


def content_of(opened: LocalInput) -> bytes:
    """The bytes of an input that is open."""
    return os.pread(opened.descriptor, os.fstat(opened.descriptor).st_size, 0)


async def read(storage: Storage, uri: str) -> bytes:
    """The bytes of an input."""
    async with storage.open_input(uri) as opened:
        content = content_of(opened)
        assert opened.size_bytes == len(content)
        return content


async def listed(
    storage: Storage, uri: str, include: Sequence[str] = (), exclude: Sequence[str] = (), *, after: str = ""
) -> list[FoundObject]:
    """All that lies below a prefix, by the globs to include and those to exclude."""
    return [found async for chunk in storage.list_prefix(uri, include, exclude, after) for found in chunk]


async def check_listed_as_opened(storage: Storage, prefix: str) -> None:
    """Each file has the fingerprint that it was listed with; there must be some."""
    found = await listed(storage, prefix)
    assert found
    for each in found:
        async with storage.open_input(each.uri) as opened:
            assert opened.fingerprint == each.fingerprint


async def failure_of(doing: Awaitable[object]) -> JobFailure:
    """How it fails, for it must."""
    with pytest.raises(JobFailure) as failure:
        await doing
    return failure.value


async def reason_of(doing: Awaitable[object]) -> Reason:
    """Why it fails, for it must."""
    return (await failure_of(doing)).reason
