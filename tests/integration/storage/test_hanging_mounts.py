"""A file root whose file system hangs, as a network mount does whose server is gone: it costs other roots nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import pytest

from batchscribe_server.domain.errors import Reason, StoreAwayFailure
from batchscribe_server.domain.job import State
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.storage import Storage
from batchscribe_server.operations.submit import NewJob
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.mount_threads import MountThreads
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.tree import TreeWalk
from tests.in_process_service import PATIENCE_S, TENANT, in_process_service
from tests.scripted_engine import ScriptedTranscriber
from tests.storage_steps import read

Result = TypeVar("Result")

THREADS = 3
CALLS = 20


class HangingRoots(FileRoots):
    """Below `hung`, what touches the disk waits until `back` is set; what was opened before stays open."""

    def __init__(self, roots: list[Path], hung: Path) -> None:
        super().__init__(roots)
        self.hung = str(hung)
        self.back = threading.Event()
        self.waiting = 0
        self.most_waiting = 0
        self.opened: list[int] = []
        self._lock = threading.Lock()

    def resolve(self, uri: str) -> str:
        """The path, once the mount is back."""
        self._hang(super().resolve(uri))
        return super().resolve(uri)

    @contextmanager
    def parent_of(
        self, real_path: str, make_folder: Callable[[str, int], None] | None = None
    ) -> Iterator[tuple[int, str]]:
        """The folder, once the mount is back."""
        self._hang(real_path)
        with super().parent_of(real_path, make_folder) as found:
            yield found

    def open_file(self, real_path: str) -> int:
        """The file, which is open when nobody waits for it any more."""
        self.opened.append(super().open_file(real_path))
        return self.opened[-1]

    def _hang(self, path: str) -> None:
        if not path.startswith(self.hung):
            return
        with self._lock:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        self.back.wait()
        with self._lock:
            self.waiting -= 1


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[HangingRoots]:
    folders = [tmp_path / "good", tmp_path / "hung"]
    for folder in folders:
        folder.mkdir()
        (folder / "a.wav").write_bytes(b"sound")
    roots = HangingRoots(folders, folders[1])
    yield roots
    roots.back.set()


def storage_of(roots: HangingRoots) -> FileStorage:
    def threads(path: str) -> MountThreads:
        if path == roots.hung:
            return MountThreads(path, max_threads=THREADS, overdue_s=0.05, try_every_s=0.01, grace_s=0.01, kept_s=0.1)
        return MountThreads(path, max_threads=THREADS, kept_s=0.1)

    return FileStorage(roots, threads=threads)


@pytest.fixture
def storage(roots: HangingRoots) -> FileStorage:
    return storage_of(roots)


async def open_and_leave(storage: Storage, uri: str) -> None:
    async with storage.open_input(uri):
        pass


async def listed(storage: Storage, uri: str) -> list[str]:
    return [found.relative_path async for chunk in storage.list_prefix(uri) for found in chunk]


async def once_back(call: Callable[[], Awaitable[Result]]) -> Result:
    """What comes of a call once it is answered; a slow machine may take a root for one that hangs still."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(StoreAwayFailure):
                return await call()
            await asyncio.sleep(0.01)


async def test_each_call_to_a_root_that_hangs_is_given_up(storage: FileStorage, tmp_path: Path) -> None:
    uri = (tmp_path / "hung" / "a.wav").as_uri()
    calls: dict[Reason, list[Awaitable[object]]] = {
        Reason.FETCH_FAILED: [storage.check_allowed(uri), storage.identity(uri), open_and_leave(storage, uri)],
        Reason.SCAN_FAILED: [listed(storage, (tmp_path / "hung").as_uri())],
        Reason.OUTPUT_FAILED: [
            storage.write_output(uri, b"text"),
            storage.check_writable(uri),
            storage.exists(uri),
            storage.remove(uri),
        ],
    }
    for reason, made in calls.items():
        for ended in await asyncio.gather(*made, return_exceptions=True):
            assert isinstance(ended, StoreAwayFailure)
            assert ended.reason is reason


async def test_other_roots_go_on_and_no_more_threads_hang_than_one_root_has(
    storage: FileStorage, roots: HangingRoots, tmp_path: Path
) -> None:
    hung = (tmp_path / "hung" / "a.wav").as_uri()
    calls = [asyncio.create_task(storage.check_allowed(hung)) for _ in range(CALLS)]
    async with asyncio.timeout(PATIENCE_S):
        while not roots.waiting:
            await asyncio.sleep(0.01)
        good = tmp_path / "good"
        assert await read(storage, (good / "a.wav").as_uri()) == b"sound"
        assert await listed(storage, good.as_uri()) == ["a.wav"]
        await storage.write_output((good / "a.txt").as_uri(), b"text")
        for _ in range(CALLS):
            with pytest.raises(StoreAwayFailure):
                await storage.check_allowed(hung)
        ended = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(each) for each in ended} == {StoreAwayFailure}
    assert roots.most_waiting <= THREADS


async def test_a_root_that_is_back_is_used_again_and_keeps_nothing_open(
    storage: FileStorage, roots: HangingRoots, tmp_path: Path
) -> None:
    uri = (tmp_path / "hung" / "a.wav").as_uri()
    with pytest.raises(StoreAwayFailure):
        await open_and_leave(storage, uri)
    roots.back.set()
    assert await once_back(lambda: read(storage, uri)) == b"sound"
    async with asyncio.timeout(PATIENCE_S):
        for descriptor in roots.opened:
            with suppress(OSError):
                while Path(f"/proc/self/fd/{descriptor}").readlink() == tmp_path / "hung" / "a.wav":
                    await asyncio.sleep(0.01)


async def test_an_output_that_was_given_up_is_not_written_later(
    storage: FileStorage, roots: HangingRoots, tmp_path: Path
) -> None:
    uri = (tmp_path / "hung" / "a.txt").as_uri()
    with pytest.raises(StoreAwayFailure):
        await storage.write_output(uri, b"text")
    roots.back.set()
    await once_back(lambda: storage.check_allowed(uri))
    async with asyncio.timeout(PATIENCE_S):
        while any(thread.name.startswith("mount") for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
    assert [path.name for path in (tmp_path / "hung").iterdir()] == ["a.wav"]


def test_a_walk_that_finds_nothing_tells_that_it_goes_on(tmp_path: Path) -> None:
    for name in ("a/b", "c/d"):
        (tmp_path / name).mkdir(parents=True)
    told: list[None] = []
    walk = TreeWalk(str(tmp_path), lambda _: True, FileRoots([tmp_path]), progress=lambda: told.append(None))
    assert not list(walk.files())
    assert len(told) >= 4


def test_a_root_is_known_by_its_words_alone(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    roots = FileRoots([tmp_path / "link", tmp_path / "real" / "inner"])
    real = str(tmp_path / "real")
    for path in ("link/a", "real/a", "link", "real/inner/../a"):
        assert roots.named_by(f"file://{tmp_path}/{path}") == real
    assert roots.named_by(f"file://{tmp_path}/real/inner/a") == f"{real}/inner"
    for uri in (f"file://{tmp_path}/realistic", "file:relative", "file:///"):
        assert roots.named_by(uri) == ""


async def test_jobs_wait_for_a_mount_that_hangs_while_others_go_on(roots: HangingRoots, tmp_path: Path) -> None:
    roots.back.set()
    files = storage_of(roots)
    patience = Patience(max_away_s=3600.0, first_pause_s=0.02)
    transcriber = ScriptedTranscriber()
    transcriber.ready.clear()
    async with in_process_service(tmp_path, transcriber, storages={"file": files}, patience=patience) as service:
        hung = NewJob(service.audio("hung/a.wav"))
        waits = await once_back(lambda: service.submit.job(TENANT, hung))
        roots.back.clear()
        transcriber.ready.set()
        async with asyncio.timeout(PATIENCE_S):
            while (await service.store.get_job(TENANT, waits.id)).waiting is None:
                await asyncio.sleep(0.01)
        with pytest.raises(StoreAwayFailure):
            await service.submit.job(TENANT, hung)
        other = await service.submit.job(TENANT, NewJob(service.audio("good/b.wav")))
        assert (await service.ended(other)).state is State.SUCCEEDED
        roots.back.set()
        assert (await service.ended(waits)).state is State.SUCCEEDED


def test_a_process_ends_while_a_mount_hangs() -> None:
    code = """
import asyncio, threading
from batchscribe_server.storage.mount_threads import HangsError, MountThreads

async def main():
    threads = MountThreads("/mnt", overdue_s=0.01, grace_s=0.01)
    hangs = lambda _: threading.Event().wait()
    try:
        await threads.run(hangs)
    except HangsError:
        print("away")
    patient = MountThreads("/mnt", grace_s=0.01)
    running = asyncio.create_task(patient.run(hangs))
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await patient.close(lambda: hangs(None))

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert "away" in ended.stdout
