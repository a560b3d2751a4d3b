"""A SQLite database below which something fails: it is waited for, and nobody is told of an error of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import DatabaseUnavailableError
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore, availability, sqlite
from batchscribe_server.store.errors import StoreError
from tests.contract.store.samples import TENANT, new_job
from tests.full_disk import file_size_limit


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sqlite, "PATIENCE_S", 0.0)
    monkeypatch.setattr(availability, "SHORT_S", 1e-9)
    return tmp_path / "batchscribe.db"


@pytest.fixture
async def impatient(file: Path) -> AsyncIterator[SqlStore]:
    async with SqlStore.open(f"sqlite:///{file}", Wakeups()) as store:
        yield store


async def test_writes_wait_for_room_on_a_full_disk_and_reads_go_on(file: Path, impatient: SqlStore) -> None:
    await impatient.create_job(new_job("kept"))
    wal = file.with_name(file.name + "-wal")
    with file_size_limit(wal.stat().st_size):
        with pytest.raises(DatabaseUnavailableError, match="disk"):
            await impatient.create_job(new_job("refused"))
        assert not impatient.serving
        assert (await impatient.get_job(TENANT, "kept")).id == "kept"
        assert not impatient.serving
        waiting = asyncio.create_task(impatient.patient().create_job(new_job("waits")))
        with pytest.raises(DatabaseUnavailableError):
            await impatient.create_job(new_job("refused"))
        assert not waiting.done()
    await waiting
    assert impatient.serving
    await impatient.create_job(new_job("refused"))
    for name in ("kept", "waits", "refused"):
        assert (await impatient.get_job(TENANT, name)).id == name


async def test_nothing_is_written_to_a_file_that_was_removed(file: Path, impatient: SqlStore) -> None:
    aside = file.with_name("aside")
    file.rename(aside)
    with pytest.raises(DatabaseUnavailableError, match=r"batchscribe\.db, was removed or replaced"):
        await impatient.create_job(new_job("refused"))
    assert not impatient.serving
    file.touch()
    with pytest.raises(DatabaseUnavailableError, match="was removed or replaced"):
        await impatient.create_job(new_job("refused"))
    aside.replace(file)
    await impatient.create_job(new_job("kept"))
    assert impatient.serving


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + bytes(range(256)) * 64])
async def test_a_damaged_file_is_told_in_a_line_at_start(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(StoreError, match=r"batchscribe\.db cannot be opened: the file of the database is damaged"):
        async with SqlStore.open(f"sqlite:///{file}", Wakeups()):
            pass
    assert file.read_bytes() == content


async def test_a_file_that_cannot_be_opened_is_told_in_a_line_at_start(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError, match=r"folder\.db cannot be opened"):
        async with SqlStore.open(f"sqlite:///{tmp_path / 'folder.db'}", Wakeups()):
            pass
