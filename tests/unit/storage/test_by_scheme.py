"""Each URI goes to the storage that its scheme names."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.storage.by_scheme import StorageByScheme
from batchscribe_server.storage.file_uri import uri_of
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.roots import FileRoots


@pytest.fixture
def storage(tmp_path: Path) -> StorageByScheme:
    return StorageByScheme({"file": FileStorage(FileRoots([tmp_path]))})


async def test_a_known_scheme_is_served(storage: StorageByScheme, tmp_path: Path) -> None:
    uri = uri_of(str(tmp_path / "a.txt"))
    await storage.check_allowed(uri)
    assert (await storage.write_output(uri, b"text")).size_bytes == 4
    assert await storage.exists(uri.replace("file:", "FILE:"))
    assert await storage.identity(uri.replace("file:", "FILE:")) == uri
    assert [[found.uri for found in page] async for page in storage.list_prefix(uri_of(str(tmp_path)), ("*.txt",))] == [
        [uri]
    ]
    async with storage.open_input(uri) as opened:
        assert opened.size_bytes == 4
    assert await storage.remove(uri)


async def test_a_scheme_that_is_not_set_up_is_refused(storage: StorageByScheme) -> None:
    uri = "s3://calls/a.wav"
    with pytest.raises(PathNotAllowedError, match="not set up for s3"):
        await storage.check_allowed(uri)
    assert await storage.identity(uri) == uri
    with pytest.raises(JobFailure) as scanned:
        storage.list_prefix(uri)
    with pytest.raises(JobFailure) as written:
        await storage.write_output(uri, b"")
    assert (scanned.value.reason, written.value.reason) == (Reason.SCAN_FAILED, Reason.OUTPUT_FAILED)


async def test_what_is_said_of_a_url_holds_no_query(storage: StorageByScheme) -> None:
    uri = "https://h/a.wav?X-Signature=secret"
    with pytest.raises(PathNotAllowedError, match=r"https://h/a\.wav cannot be reached") as refused:
        await storage.check_allowed(uri)
    with pytest.raises(JobFailure) as failed:
        storage.open_input(uri)
    assert "secret" not in f"{refused.value} {refused.value.metadata} {failed.value}"
