"""Files below the operator's roots."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.operations.storage import FoundObject, Storage
from batchscribe_server.storage.file_uri import uri_of
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.roots import FileRoots
from tests.full_disk import file_size_limit
from tests.storage_steps import content_of, read

not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture
def storage(root: Path) -> Storage:
    return FileStorage(FileRoots([root]))


def uri(path: Path) -> str:
    return uri_of(str(path))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def listed(
    storage: Storage, folder: Path, include: tuple[str, ...] = (), exclude: tuple[str, ...] = (), after: str = ""
) -> list[FoundObject]:
    return [found async for chunk in storage.list_prefix(uri(folder), include, exclude, after) for found in chunk]


# inputs


async def test_an_input_is_opened_in_place(storage: Storage, root: Path) -> None:
    path = root / "100% #1? ü.wav"
    path.write_bytes(b"sound")
    async with storage.open_input(uri(path)) as opened:
        assert os.path.samestat(path.stat(), os.fstat(opened.descriptor))
        assert opened.size_bytes == 5


def fingerprint_of(path: Path) -> str:
    return f"{path.stat().st_size}-{path.stat().st_mtime_ns}"


async def test_the_fingerprint_changes_with_the_bytes(storage: Storage, root: Path) -> None:
    path = root / "a.wav"
    path.write_bytes(b"sound")
    async with storage.open_input(uri(path)) as first, storage.open_input(uri(path)) as again:
        assert first.fingerprint == again.fingerprint
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    async with storage.open_input(uri(path)) as later:
        assert later.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("name", "words"), [("missing.wav", "no file"), ("folder", "is a folder"), ("pipe", "regular")]
)
async def test_what_cannot_be_opened_fails_in_plain_words(storage: Storage, root: Path, name: str, words: str) -> None:
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    with pytest.raises(JobFailure, match=words) as failure:
        async with storage.open_input(uri(root / name)):
            pass
    assert failure.value.reason is Reason.FETCH_FAILED


@not_as_root
async def test_an_unreadable_input_fails_in_plain_words(storage: Storage, root: Path) -> None:
    (root / "a.wav").touch(mode=0)
    with pytest.raises(JobFailure, match="no permission"):
        async with storage.open_input(uri(root / "a.wav")):
            pass


# roots


def outsiders(root: Path) -> list[str]:
    secret = root.parent / "secret.wav"
    secret.write_bytes(b"secret")
    beside = root.parent / "root-beside"
    beside.mkdir()
    (root / "link.wav").symlink_to(secret)
    (root / "way-out").symlink_to(root.parent)
    return [
        uri(secret),
        uri(beside),
        f"{uri(root)}/../secret.wav",
        f"{uri(root)}/%2e%2e/secret.wav",
        f"{uri(root)}/link.wav",
        f"{uri(root)}/way-out/secret.wav",
        f"{uri(root)}/way-out/new/file.json",
        "file:///etc/passwd",
        "file:///",
        "file://host/etc/passwd",
    ]


async def test_nothing_outside_the_roots_is_read_written_or_removed(storage: Storage, root: Path) -> None:
    for outside in outsiders(root):
        with pytest.raises(PathNotAllowedError):
            await storage.check_allowed(outside)
        with pytest.raises(JobFailure, match="FETCH_FAILED"):
            async with storage.open_input(outside):
                pass
        with pytest.raises(JobFailure, match="OUTPUT_FAILED"):
            await storage.write_output(outside, b"overwritten")
        with pytest.raises(JobFailure, match="OUTPUT_FAILED"):
            await storage.remove(outside)
        with pytest.raises(JobFailure, match="SCAN_FAILED"):
            [_ async for _ in storage.list_prefix(outside)]
        assert not await storage.exists(outside)
    assert (root.parent / "secret.wav").read_bytes() == b"secret"


async def test_a_refusal_names_the_option_and_tells_nothing_of_what_is_there(storage: Storage, root: Path) -> None:
    messages = []
    for name in ("there.wav", "not-there.wav"):
        (root.parent / "there.wav").touch()
        with pytest.raises(PathNotAllowedError) as refusal:
            await storage.check_allowed(uri(root.parent / name))
        messages.append(refusal.value.message.replace(name, "…"))
    assert messages[0] == messages[1]
    assert "--file-root" in messages[0]
    assert f"{root} " not in messages[0]


async def test_a_root_may_itself_be_a_link_or_the_whole_disk(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    through_link = FileStorage(FileRoots([tmp_path / "link"]))
    await through_link.check_allowed(uri(tmp_path / "link" / "a.wav"))
    await through_link.check_allowed(uri(tmp_path / "real" / "a.wav"))
    await FileStorage(FileRoots(["/"])).check_allowed("file:///etc/hosts")
    with pytest.raises(PathNotAllowedError):
        await FileStorage(FileRoots([])).check_allowed("file:///etc/hosts")


# listing


async def test_a_prefix_lists_the_audio_below_it(storage: Storage, root: Path) -> None:
    for name in ("b.wav", "x/a b.wav", "x/a b.wav.json", "notes.txt", ".hidden/c.wav"):
        (root / "calls" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "calls" / name).write_bytes(b"1234")
    found = await listed(storage, root / "calls")
    assert found == [
        FoundObject(uri(root / "calls/b.wav"), "b.wav", 4, fingerprint_of(root / "calls/b.wav")),
        FoundObject(uri(root / "calls/x/a b.wav"), "x/a b.wav", 4, fingerprint_of(root / "calls/x/a b.wav")),
    ]
    async with storage.open_input(found[1].uri) as opened:
        assert opened.size_bytes == 4


async def test_a_listing_of_many_comes_in_chunks_and_goes_on_after_its_cursor(storage: Storage, root: Path) -> None:
    for number in range(1201):
        (root / f"{number:04}.wav").touch()
    chunks = [chunk async for chunk in storage.list_prefix(uri(root))]
    assert len(chunks) > 2
    found = [entry for chunk in chunks for entry in chunk]
    assert [entry.relative_path for entry in found] == [f"{number:04}.wav" for number in range(1201)]
    assert await listed(storage, root, after="1000.wav") == found[1001:]


async def test_a_file_that_is_named_itself_is_all_that_is_found(storage: Storage, root: Path) -> None:
    (root / "notes.txt").write_bytes(b"sound")
    found = await listed(storage, root / "notes.txt")
    assert [(each.uri, each.relative_path, each.size_bytes) for each in found] == [
        (uri(root / "notes.txt"), "notes.txt", 5)
    ]
    assert await listed(storage, root / "notes.txt", after="notes.txt") == []
    assert await listed(storage, root / "notes.txt", include=("*.txt",)) == found
    assert await listed(storage, root / "notes.txt", include=("*.wav",)) == []
    assert await listed(storage, root / "notes.txt", exclude=("notes*",)) == []


@pytest.mark.parametrize(("name", "words"), [("/missing", "no folder"), ("/a.wav/", "is a file"), ("/a.wav/b", "is a")])
async def test_a_prefix_that_is_no_folder_fails_the_scan(storage: Storage, root: Path, name: str, words: str) -> None:
    (root / "a.wav").touch()
    with pytest.raises(JobFailure, match=words) as failure:
        [chunk async for chunk in storage.list_prefix(uri(root) + name)]
    assert failure.value.reason is Reason.SCAN_FAILED


@not_as_root
async def test_an_unreadable_folder_fails_the_scan_unless_it_is_excluded(storage: Storage, root: Path) -> None:
    (root / "closed").mkdir(mode=0)
    (root / "open.wav").touch()
    with pytest.raises(JobFailure, match=r"closed.*no permission"):
        await listed(storage, root)
    assert [found.relative_path for found in await listed(storage, root, exclude=("closed/**",))] == ["open.wav"]


# outputs


async def test_an_output_is_written_with_the_folders_above_it(storage: Storage, root: Path) -> None:
    written = await storage.write_output(uri(root / "x/y/a.json"), iter([b"{", b"}"]))
    assert (written.uri, written.size_bytes, written.skipped) == (uri(root / "x/y/a.json"), 2, False)
    assert (root / "x/y/a.json").read_bytes() == b"{}"
    assert names_in(root / "x/y") == ["a.json"]
    umask = os.umask(0)
    os.umask(umask)
    assert (root / "x/y/a.json").stat().st_mode & 0o777 == 0o666 & ~umask


async def test_a_reader_sees_the_old_output_until_the_new_one_is_whole(storage: Storage, root: Path) -> None:
    path = root / "a.json"
    path.write_bytes(b"old")
    seen: list[bytes] = []

    def pieces() -> Iterator[bytes]:
        yield b"ne"
        seen.append(path.read_bytes())
        yield b"w"

    await storage.write_output(uri(path), pieces())
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


async def test_an_existing_output_is_kept_or_refused_where_that_is_asked(storage: Storage, root: Path) -> None:
    path = root / "a.json"
    path.write_bytes(b"old!")
    skipped = await storage.write_output(uri(path), b"new", OnConflict.SKIP)
    assert (skipped.skipped, skipped.size_bytes) == (True, 4)
    with pytest.raises(JobFailure) as failure:
        await storage.write_output(uri(path), b"new", OnConflict.FAIL)
    assert failure.value.reason is Reason.OUTPUT_EXISTS
    assert path.read_bytes() == b"old!"


@pytest.mark.parametrize("on_conflict", [OnConflict.SKIP, OnConflict.FAIL])
async def test_an_output_that_is_not_there_is_written_whatever_a_conflict_would_mean(
    storage: Storage, root: Path, on_conflict: OnConflict
) -> None:
    written = await storage.write_output(uri(root / "a.json"), b"new", on_conflict)
    assert not written.skipped
    assert names_in(root) == ["a.json"]


@pytest.mark.parametrize("on_conflict", [OnConflict.SKIP, OnConflict.FAIL])
async def test_of_writers_at_the_same_time_one_wins_where_nothing_may_be_overwritten(
    storage: Storage, root: Path, on_conflict: OnConflict
) -> None:
    path = root / "a.json"

    def pieces() -> Iterator[bytes]:
        path.write_bytes(b"the other's")
        yield b"mine"

    if on_conflict is OnConflict.SKIP:
        assert (await storage.write_output(uri(path), pieces(), on_conflict)).skipped
    else:
        with pytest.raises(JobFailure, match="OUTPUT_EXISTS"):
            await storage.write_output(uri(path), pieces(), on_conflict)
    assert path.read_bytes() == b"the other's"
    assert names_in(root) == ["a.json"]


async def test_many_writers_of_one_output_leave_one_whole_file(storage: Storage, root: Path) -> None:
    contents = [bytes([letter]) * 100_000 for letter in b"abcdefgh"]
    await asyncio.gather(*(storage.write_output(uri(root / "a.json"), content) for content in contents))
    assert (root / "a.json").read_bytes() in contents
    assert names_in(root) == ["a.json"]


async def test_an_output_that_cannot_be_finished_leaves_nothing(storage: Storage, root: Path) -> None:
    with file_size_limit(50_000), pytest.raises(JobFailure, match="too large") as failure:
        await storage.write_output(uri(root / "a.json"), b"x" * 200_000)
    assert failure.value.reason is Reason.OUTPUT_FAILED
    assert names_in(root) == []


@pytest.mark.parametrize("on_conflict", list(OnConflict))
async def test_an_output_below_a_file_fails_in_plain_words(
    storage: Storage, root: Path, on_conflict: OnConflict
) -> None:
    (root / "a.wav").write_bytes(b"sound")
    with pytest.raises(JobFailure) as failure:
        await storage.write_output(uri(root / "a.wav/x.json"), b"{}", on_conflict)
    assert failure.value.reason is Reason.OUTPUT_FAILED
    assert (root / "a.wav").read_bytes() == b"sound"


async def test_an_output_in_the_place_of_a_folder_fails_and_leaves_it(storage: Storage, root: Path) -> None:
    (root / "a.json").mkdir()
    with pytest.raises(JobFailure, match="directory"):
        await storage.write_output(uri(root / "a.json"), b"{}")
    assert names_in(root) == ["a.json"]


@not_as_root
async def test_a_folder_that_may_not_be_written_fails_in_plain_words(storage: Storage, root: Path) -> None:
    (root / "closed").mkdir(mode=0o500)
    with pytest.raises(JobFailure, match="no permission") as failure:
        await storage.write_output(uri(root / "closed/a.json"), b"{}")
    assert failure.value.reason is Reason.OUTPUT_FAILED


async def test_whether_outputs_may_be_written_is_seen_without_writing(storage: Storage, root: Path) -> None:
    (root / "a.txt").touch()
    for there in (root, root / "new" / "folder", root / "a.txt"):
        await storage.check_writable(uri(there))
    assert names_in(root) == ["a.txt"]
    for nowhere in (root / "a.txt" / "below", root.parent / "outside"):
        with pytest.raises(JobFailure) as failure:
            await storage.check_writable(uri(nowhere))
        assert failure.value.reason is Reason.OUTPUT_FAILED


@not_as_root
async def test_a_folder_that_may_not_be_written_is_told_before(storage: Storage, root: Path) -> None:
    (root / "closed").mkdir(mode=0o500)
    with pytest.raises(JobFailure, match="permission denied"):
        await storage.check_writable(uri(root / "closed" / "out"))


async def test_stale_outputs_are_found_and_removed(storage: Storage, root: Path) -> None:
    stale = root / "a.wav.notice"
    stale.touch()
    assert await storage.exists(uri(stale))
    assert await storage.remove(uri(stale))
    assert not await storage.exists(uri(stale))
    assert not await storage.remove(uri(stale))


# links that are put in the way after a path was looked at


class LinkedAfterwards(FileRoots):
    """Roots below which, as soon as a path was resolved, somebody puts a link in place of what was there."""

    def __init__(self, root: Path, place: Path, target: Path) -> None:
        super().__init__([root])
        self._place = place
        self._target = target

    def resolve(self, uri: str) -> str:
        """The path, which then leads elsewhere."""
        path = super().resolve(uri)
        if not self._place.is_symlink():
            self._place.rename(self._place.with_name("moved"))
            self._place.symlink_to(self._target)
        return path


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"secret")
    return folder


@pytest.fixture
def calls(root: Path) -> Path:
    (root / "calls").mkdir()
    (root / "calls" / "a.wav").write_bytes(b"sound")
    return root / "calls"


@pytest.mark.parametrize("place", ["calls", "calls/a.wav"])
async def test_a_link_put_in_the_way_of_an_input_is_not_followed(
    root: Path, calls: Path, outside: Path, place: str
) -> None:
    target = outside if place == "calls" else outside / "a.wav"
    storage = FileStorage(LinkedAfterwards(root, root / place, target))
    with pytest.raises(JobFailure) as failure:
        async with storage.open_input(uri(calls / "a.wav")):
            pass
    assert failure.value.reason is Reason.FETCH_FAILED


@pytest.mark.parametrize("on_conflict", list(OnConflict))
async def test_a_link_put_in_the_way_of_an_output_is_not_followed(
    root: Path, calls: Path, outside: Path, on_conflict: OnConflict
) -> None:
    storage = FileStorage(LinkedAfterwards(root, calls, outside))
    with pytest.raises(JobFailure) as failure:
        await storage.write_output(uri(calls / "new.txt"), b"text", on_conflict)
    assert failure.value.reason is Reason.OUTPUT_FAILED
    assert names_in(outside) == ["a.wav"]


async def test_a_link_put_in_the_way_of_what_is_removed_is_not_followed(root: Path, calls: Path, outside: Path) -> None:
    storage = FileStorage(LinkedAfterwards(root, calls, outside))
    with suppress(JobFailure):
        await storage.remove(uri(calls / "a.wav"))
    assert names_in(outside) == ["a.wav"]


async def test_a_link_put_in_the_way_of_a_listing_is_not_followed(root: Path, calls: Path, outside: Path) -> None:
    storage = FileStorage(LinkedAfterwards(root, calls, outside))
    (outside / "secret name.wav").touch()
    with pytest.raises(JobFailure) as failure:
        await listed(storage, calls)
    assert failure.value.reason is Reason.SCAN_FAILED


async def test_links_that_stay_below_the_roots_are_followed(storage: Storage, root: Path, calls: Path) -> None:
    (root / "by-name").symlink_to("calls")
    (root / "by-path").symlink_to(calls)
    for folder in ("by-name", "by-path"):
        assert await read(storage, uri(root / folder / "a.wav")) == b"sound"
        await storage.write_output(uri(root / folder / f"{folder}.txt"), b"text")
    assert names_in(calls) == ["a.wav", "by-name.txt", "by-path.txt"]


# inputs that are written to while they are read


@pytest.mark.parametrize("failure", [None, JobFailure(Reason.DECODE_FAILED, "It is broken.")])
async def test_an_input_that_grows_while_it_is_read_has_changed(
    storage: Storage, calls: Path, failure: JobFailure | None
) -> None:
    with pytest.raises(JobFailure) as changed:
        async with storage.open_input(uri(calls / "a.wav")):
            with (calls / "a.wav").open("ab") as file:
                file.write(b" and more")
            if failure is not None:
                raise failure
    assert changed.value.reason is Reason.INPUT_CHANGED


async def test_an_input_that_is_written_anew_while_it_is_read_has_changed(storage: Storage, calls: Path) -> None:
    with pytest.raises(JobFailure) as changed:
        async with storage.open_input(uri(calls / "a.wav")):
            (calls / "a.wav").write_bytes(b"SOUND")
            os.utime(calls / "a.wav", ns=(0, 0))  # two writings may be too close for the clock of a file system
    assert changed.value.reason is Reason.INPUT_CHANGED


async def test_an_input_that_is_replaced_is_read_to_its_end(storage: Storage, calls: Path) -> None:
    async with storage.open_input(uri(calls / "a.wav")) as opened:
        (calls / "new").write_bytes(b"other sound")
        (calls / "new").replace(calls / "a.wav")
        assert content_of(opened) == b"sound"


# permissions


async def test_outputs_are_for_whom_the_operators_umask_says(root: Path) -> None:
    before = os.umask(0o077)  # that of a server
    try:
        await FileStorage(FileRoots([root]), umask=0o027).write_output(uri(root / "new/a.txt"), b"text")
    finally:
        os.umask(before)
    assert (root / "new").stat().st_mode & 0o777 == 0o750
    assert (root / "new/a.txt").stat().st_mode & 0o777 == 0o640


# names that are not UTF-8


async def test_names_that_are_not_utf8_are_listed_and_opened(storage: Storage, root: Path) -> None:
    for name in (b"caf\xe9.wav", b"caf\xe8.wav"):
        (root / os.fsdecode(name)).write_bytes(name)
    found = await listed(storage, root)
    assert [(each.uri.rpartition("/")[2], each.relative_path) for each in found] == [
        ("caf%E8.wav", r"caf\xe8.wav"),
        ("caf%E9.wav", r"caf\xe9.wav"),
    ]
    assert [await read(storage, each.uri) for each in found] == [b"caf\xe8.wav", b"caf\xe9.wav"]


async def test_a_root_that_is_not_there_yet_is_made_by_the_first_output(tmp_path: Path) -> None:
    storage = FileStorage(FileRoots([tmp_path / "not" / "yet"]))
    uri = uri_of(str(tmp_path / "not" / "yet" / "deep" / "a.txt"))
    await storage.check_writable(uri)
    assert not await storage.exists(uri)
    await storage.write_output(uri, b"text")
    assert (tmp_path / "not" / "yet" / "deep" / "a.txt").read_bytes() == b"text"
