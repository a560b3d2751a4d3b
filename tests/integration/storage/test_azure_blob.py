"""Blobs in containers, on a real server of Azure's protocol."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from batchscribe_server.domain.errors import JobFailure, PathNotAllowedError, Reason, StoreAwayFailure
from batchscribe_server.domain.recognition import OnConflict
from batchscribe_server.storage.azure_blob import BLOCK_BYTES, PIECE_BYTES, AzureStorage
from batchscribe_server.storage.azure_options import AzureOptions
from batchscribe_server.storage.fetched import FetchedFiles
from tests.azure_store import (
    KEY,
    WRONG_KEY,
    account_sas,
    account_url,
    azure_client,
    azure_store,
    container_sas,
    needs_azurite,
)
from tests.object_store import cut_line
from tests.scripted_web import Reply, scripted_web
from tests.storage_steps import check_listed_as_opened, content_of, failure_of, listed, read, reason_of

pytestmark = [pytest.mark.timeout(120), needs_azurite]

ODD_NAMES = ["a b.wav", "ü #1?.wav", "100%2F.wav", "+&=;,'()!.wav", "k" * 900 + ".wav"]
SIZE_BYTES = 3 * PIECE_BYTES


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure_store(tmp_path_factory.mktemp("blobs")) as started:
        yield started


@pytest.fixture
async def client(endpoint: str) -> AsyncIterator[BlobServiceClient]:
    async with azure_client(endpoint) as opened:
        yield opened


@pytest.fixture
async def blobs(client: BlobServiceClient, request: pytest.FixtureRequest) -> ContainerClient:
    """A container of the test's own."""
    return await client.create_container(f"c{abs(hash(request.node.nodeid)):x}")


@pytest.fixture
def container(blobs: ContainerClient) -> str:
    return blobs.container_name


@asynccontextmanager
async def storage_of(
    endpoint: str,
    folder: Path,
    account_key: str = "",
    sas_token: str = "",
    containers: tuple[str, ...] = ("*",),
    max_size_bytes: int = 0,
    max_retries: int = 5,
) -> AsyncIterator[AzureStorage]:
    fetched = FetchedFiles(folder / "fetched", 100 * 1024**2)
    await fetched.start()
    options = AzureOptions(frozenset(containers), account_url(endpoint), account_key, sas_token, max_retries)
    async with AzureStorage(options, fetched, max_size_bytes=max_size_bytes) as opened:
        yield opened


@pytest.fixture
async def storage(endpoint: str, tmp_path: Path) -> AsyncIterator[AzureStorage]:
    async with storage_of(endpoint, tmp_path, KEY) as opened:
        yield opened


# inputs


@pytest.mark.parametrize("name", ODD_NAMES)
async def test_a_blob_is_a_local_file_for_as_long_as_it_is_open(
    blobs: ContainerClient, storage: AzureStorage, container: str, name: str, tmp_path: Path
) -> None:
    await blobs.upload_blob(f"calls/{name}", b"sound")
    async with storage.open_input(f"az://{container}/calls/{name}") as opened:
        assert content_of(opened) == b"sound"
        assert opened.size_bytes == 5
    assert list((tmp_path / "fetched").iterdir()) == []


@pytest.mark.parametrize("size_bytes", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, SIZE_BYTES + 7])
async def test_a_blob_of_any_size_is_fetched_whole(
    blobs: ContainerClient, storage: AzureStorage, container: str, size_bytes: int
) -> None:
    body = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    await blobs.upload_blob("a.wav", body)
    assert await read(storage, f"az://{container}/a.wav") == body


async def test_the_fingerprint_changes_with_the_bytes(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    fingerprints = []
    for body in (b"one", None, b"two"):
        if body is not None:
            await blobs.upload_blob("a.wav", body, overwrite=True)
        async with storage.open_input(f"az://{container}/a.wav") as opened:
            fingerprints.append(opened.fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


@pytest.mark.parametrize("cuts", [1, 3], ids=["once", "until the SDK gives up"])
async def test_a_download_that_is_cut_off_goes_on_where_it_was(
    blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path, cuts: int
) -> None:
    body = bytes(range(256)) * (SIZE_BYTES // 256)
    await blobs.upload_blob("long.wav", body)
    async with (
        cut_line(endpoint, PIECE_BYTES + PIECE_BYTES // 2, cuts=cuts) as line,
        storage_of(line.endpoint, tmp_path, KEY) as storage,
    ):
        assert await read(storage, f"az://{container}/long.wav") == body
    # The second of three pieces was asked for again, and nothing else.
    asked = [int(each.partition("=")[2].partition("-")[0]) for each in asked_ranges(line.requests)]
    assert asked == [0, *[PIECE_BYTES] * (1 + cuts), 2 * PIECE_BYTES]


def asked_ranges(heads: list[str]) -> list[str]:
    lines = [line.lower() for head in heads for line in head.split("\r\n")]
    return [line.partition(": ")[2] for line in lines if line.startswith(("x-ms-range:", "range:"))]


async def test_a_blob_that_changes_while_it_is_fetched_is_said_to(
    blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path
) -> None:
    await blobs.upload_blob("a.wav", b"1" * SIZE_BYTES)

    async def overwrite() -> None:
        async with azure_client(endpoint) as other:
            await other.get_blob_client(container, "a.wav").upload_blob(b"2" * SIZE_BYTES, overwrite=True)

    def on_cut() -> None:
        asyncio.run(overwrite())

    async with (
        cut_line(endpoint, PIECE_BYTES + PIECE_BYTES // 2, on_cut) as line,
        storage_of(line.endpoint, tmp_path, KEY) as storage,
    ):
        assert await reason_of(read(storage, f"az://{container}/a.wav")) is Reason.INPUT_CHANGED


async def test_too_large_a_blob_is_not_fetched(
    blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path
) -> None:
    await blobs.upload_blob("a.wav", b"sound")
    async with storage_of(endpoint, tmp_path, KEY, max_size_bytes=4) as storage:
        assert await reason_of(read(storage, f"az://{container}/a.wav")) is Reason.MEDIA_TOO_LARGE


@pytest.mark.parametrize("name", ["", "/missing.wav"])
async def test_what_is_no_blob_cannot_be_opened(storage: AzureStorage, container: str, name: str) -> None:
    assert await reason_of(read(storage, f"az://{container}{name}")) is Reason.FETCH_FAILED


async def test_a_container_that_is_not_there_is_told(storage: AzureStorage) -> None:
    uri = "az://nowhere/a.wav"
    told = {
        failure.reason: failure.message
        for failure in [
            await failure_of(read(storage, uri)),
            await failure_of(listed(storage, "az://nowhere")),
            await failure_of(storage.write_output(uri, b"text")),
        ]
    }
    assert set(told) == {Reason.FETCH_FAILED, Reason.SCAN_FAILED, Reason.OUTPUT_FAILED}
    assert all(message.endswith("there is no such container") for message in told.values()), told


async def test_a_store_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with storage_of("http://127.0.0.1:1", tmp_path, KEY, max_retries=1) as storage:
        assert await reason_of(listed(storage, "az://calls/")) is Reason.SCAN_FAILED
        for doing in steps(storage):
            assert isinstance(await failure_of(doing), StoreAwayFailure)


@pytest.mark.parametrize(
    ("status", "is_away"), [(429, True), (500, True), (503, True), (400, False), (403, False), (404, False)]
)
async def test_a_store_that_refuses_is_not_away_and_one_that_is_busy_is(
    tmp_path: Path, status: int, is_away: bool
) -> None:
    async with (
        scripted_web(lambda _: Reply(status)) as web,
        storage_of(web.url("").rstrip("/"), tmp_path, KEY, max_retries=0) as storage,
    ):
        for doing in steps(storage):
            assert isinstance(await failure_of(doing), StoreAwayFailure) is is_away
        assert web.asked


def steps(storage: AzureStorage) -> list[Awaitable[object]]:
    return [
        read(storage, "az://calls/a.wav"),
        listed(storage, "az://calls/"),
        storage.write_output("az://calls/a.txt", b"text"),
        storage.write_output("az://calls/a.txt", [b"x" * BLOCK_BYTES, b"y"]),
    ]


@pytest.mark.parametrize("uri", ["az://others/a.wav", "az:///a.wav", "az://b", "az://calls/../others/a", "file:///a"])
async def test_only_allowed_containers_are_reached(endpoint: str, tmp_path: Path, uri: str) -> None:
    async with storage_of(endpoint, tmp_path, KEY, containers=("calls",)) as storage:
        await storage.check_allowed("az://calls/a.wav")
        with pytest.raises(PathNotAllowedError):
            await storage.check_allowed(uri)
        assert await reason_of(read(storage, uri)) is Reason.FETCH_FAILED


# credentials


async def test_a_wrong_key_is_denied(endpoint: str, container: str, tmp_path: Path) -> None:
    uri = f"az://{container}/a.wav"
    async with storage_of(endpoint, tmp_path, WRONG_KEY) as storage:
        assert await reason_of(read(storage, uri)) is Reason.BUCKET_READ_DENIED
        assert await reason_of(listed(storage, f"az://{container}")) is Reason.BUCKET_READ_DENIED
        assert await reason_of(storage.write_output(uri, b"text")) is Reason.BUCKET_WRITE_DENIED


async def test_blobs_are_opened_with_the_fingerprints_they_were_listed_with(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    await blobs.upload_blob("in/a.wav", b"sound")
    await check_listed_as_opened(storage, f"az://{container}/in/")


async def test_a_token_that_may_read_and_list_cannot_write(
    blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path
) -> None:
    uri = f"az://{container}/a.wav"
    await blobs.upload_blob("a.wav", b"sound")
    async with storage_of(endpoint, tmp_path, sas_token=account_sas("rl")) as storage:
        assert await read(storage, uri) == b"sound"
        assert [each.uri for each in await listed(storage, f"az://{container}")] == [uri]
        denied = [
            storage.write_output(uri, b"text"),
            storage.write_output(f"az://{container}/new", [b"x" * BLOCK_BYTES, b"y"]),
            storage.remove(uri),
        ]
        assert [await reason_of(doing) for doing in denied] == [Reason.BUCKET_WRITE_DENIED] * 3
        assert await read(storage, uri) == b"sound"


async def test_a_token_that_may_do_all_writes_too(endpoint: str, container: str, tmp_path: Path) -> None:
    uri = f"az://{container}/a.json"
    async with storage_of(endpoint, tmp_path, sas_token="?" + account_sas("rlwcd")) as storage:
        await storage.write_output(uri, b"text", OnConflict.FAIL)
        assert await read(storage, uri) == b"text"
        assert await storage.remove(uri)


async def test_a_token_that_has_expired_is_told(endpoint: str, container: str, tmp_path: Path) -> None:
    uri = f"az://{container}/a.wav"
    async with storage_of(endpoint, tmp_path, sas_token=account_sas("rlwcd", -timedelta(hours=1))) as storage:
        for doing, reason in (
            (read(storage, uri), Reason.BUCKET_READ_DENIED),
            (listed(storage, f"az://{container}"), Reason.BUCKET_READ_DENIED),
            (storage.write_output(uri, b"text"), Reason.BUCKET_WRITE_DENIED),
        ):
            failure = await failure_of(doing)
            assert failure.reason is reason
            assert failure.message.endswith("the SAS token has expired")


async def test_a_token_for_one_container_reaches_no_other(
    client: BlobServiceClient, blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path
) -> None:
    other = await client.create_container(f"{container}-other")
    for each in (blobs, other):
        await each.upload_blob("a.wav", b"sound")
    async with storage_of(endpoint, tmp_path, sas_token=container_sas(container, "rl")) as storage:
        assert await read(storage, f"az://{container}/a.wav") == b"sound"
        assert await reason_of(read(storage, f"az://{container}-other/a.wav")) is Reason.BUCKET_READ_DENIED
        assert await reason_of(listed(storage, f"az://{container}-other")) is Reason.BUCKET_READ_DENIED


async def test_without_credentials_only_public_containers_are_read(
    client: BlobServiceClient, blobs: ContainerClient, endpoint: str, container: str, tmp_path: Path
) -> None:
    public = await client.create_container(f"{container}-public", public_access="container")
    for each in (blobs, public):
        await each.upload_blob("a.wav", b"sound")
    async with storage_of(endpoint, tmp_path) as storage:
        assert await read(storage, f"az://{container}-public/a.wav") == b"sound"
        assert len(await listed(storage, f"az://{container}-public")) == 1
        assert await reason_of(storage.write_output(f"az://{container}-public/b", b"")) is Reason.BUCKET_WRITE_DENIED
        with pytest.raises(JobFailure):
            await read(storage, f"az://{container}/a.wav")


async def test_no_failure_and_no_log_holds_a_secret(
    endpoint: str, container: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = [account_sas("r"), account_sas("rlwcd", -timedelta(hours=1))]
    secrets = ["sig=", WRONG_KEY, *(token.partition("sig=")[2] for token in tokens)]
    caplog.set_level("DEBUG")
    printed: list[str] = []
    for url, account_key, sas_token in (
        (endpoint, "", tokens[0]),
        (endpoint, "", tokens[1]),
        (endpoint, WRONG_KEY, ""),
        ("http://127.0.0.1:1", "", tokens[0]),
    ):
        async with storage_of(url, tmp_path, account_key, sas_token, max_retries=1) as storage:
            printed.append(repr(vars(storage)))
            failures = await asyncio.gather(
                read(storage, f"az://{container}/a.wav"),
                listed(storage, f"az://{container}"),
                storage.write_output(f"az://{container}/a", b"text"),
                storage.write_output(f"az://{container}/a", [b"x" * BLOCK_BYTES, b"y"]),
                return_exceptions=True,
            )
            assert all(isinstance(failure, JobFailure) for failure in failures)
            printed += ["".join(traceback.format_exception(each)) for each in failures if isinstance(each, JobFailure)]
    for text in (*printed, caplog.text):
        assert not [secret for secret in secrets if secret in text]
    assert not [each for each in printed if endpoint in each.partition("JobFailure")[2]]


# listings


async def test_a_listing_goes_on_after_its_cursor_in_the_order_of_the_names(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    names = sorted([*(f"n{number:03}.wav" for number in range(150)), "sub/x.wav", *ODD_NAMES[:-1]])
    for name in [*names, "sub/", ".hidden/y.wav", "notes.txt"]:
        await blobs.upload_blob(f"calls/{name}", b"" if name == "sub/" else b"sound")
    await blobs.upload_blob("calls/folder", b"", metadata={"hdi_isfolder": "true"})
    await blobs.upload_blob("calls2/other.wav", b"sound")
    chunks = [chunk async for chunk in storage.list_prefix(f"az://{container}/calls")]
    found = [each for chunk in chunks for each in chunk]
    assert [each.relative_path for each in found] == names
    assert [each.uri for each in found] == [f"az://{container}/calls/{name}" for name in names]
    assert {each.size_bytes for each in found} == {5}
    assert max(map(len, chunks)) <= 100
    later = await listed(storage, f"az://{container}/calls/", after=names[99])
    assert [each.relative_path for each in later] == names[100:]
    assert await listed(storage, f"az://{container}/calls/", after=names[-1]) == []


async def test_a_listing_goes_on_where_its_last_blob_is_gone(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    for name in ("a.wav", "c.wav", "d.wav"):
        await blobs.upload_blob(name, b"sound")
    later = await listed(storage, f"az://{container}", after="b.wav")
    assert [each.relative_path for each in later] == ["c.wav", "d.wav"]


async def test_globs_choose_blobs(blobs: ContainerClient, storage: AzureStorage, container: str) -> None:
    for name in ("a.wav", "b.mp3", "x/c.wav", "x/y/d.wav", "z/e.wav"):
        await blobs.upload_blob(name, b"sound")
    found = await listed(storage, f"az://{container}", ("**/*.wav",), ("z/**",))
    assert [each.relative_path for each in found] == ["a.wav", "x/c.wav", "x/y/d.wav"]


async def test_a_blob_that_is_named_itself_is_all_that_is_found(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    for name in ("calls/one.txt", "calls/one.txt2", "calls/both.wav", "calls/both.wav/below.wav"):
        await blobs.upload_blob(name, b"sound")
    uri = f"az://{container}/calls"
    found = await listed(storage, f"{uri}/one.txt")
    assert [(each.uri, each.relative_path, each.size_bytes) for each in found] == [(f"{uri}/one.txt", "one.txt", 5)]
    assert await listed(storage, f"{uri}/one.txt", after="one.txt") == []
    assert await listed(storage, f"{uri}/one.txt", ("**/*.{txt,wav}",)) == found
    assert await listed(storage, f"{uri}/one.txt", ("*.wav",)) == []
    assert [each.relative_path for each in await listed(storage, f"{uri}/both.wav")] == ["below.wav"]
    assert await reason_of(listed(storage, f"{uri}/one.txt/")) is Reason.SCAN_FAILED


async def test_a_prefix_without_any_blob_cannot_be_scanned(storage: AzureStorage, container: str) -> None:
    assert await reason_of(listed(storage, f"az://{container}/nothing/")) is Reason.SCAN_FAILED


# outputs


@pytest.mark.parametrize("on_conflict", [OnConflict.OVERWRITE, OnConflict.FAIL])
@pytest.mark.parametrize("size_bytes", [0, 5, BLOCK_BYTES, 2 * BLOCK_BYTES + 5])
async def test_what_is_written_is_there_whole(
    blobs: ContainerClient, storage: AzureStorage, container: str, size_bytes: int, on_conflict: OnConflict
) -> None:
    body = b"0123456789abcdef" * (size_bytes // 16) + b"x" * (size_bytes % 16)
    pieces = [body[start : start + 1024**2] for start in range(0, size_bytes, 1024**2)]
    written = await storage.write_output(f"az://{container}/out/a ü?.json", pieces, on_conflict)
    assert (written.size_bytes, written.skipped) == (size_bytes, False)
    assert await (await blobs.download_blob("out/a ü?.json")).readall() == body
    committed, waiting = await blobs.get_blob_client("out/a ü?.json").get_block_list("all")
    assert len(committed) == {0: 0, 5: 0, BLOCK_BYTES: 1, 2 * BLOCK_BYTES + 5: 3}[size_bytes]
    assert not waiting


async def test_an_output_that_fails_in_its_middle_changes_nothing(
    blobs: ContainerClient, storage: AzureStorage, container: str
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"x" * 2 * BLOCK_BYTES
        yield b"x" * BLOCK_BYTES
        raise RuntimeError("rendering failed")

    await storage.write_output(f"az://{container}/old.json", b"before")
    for name in ("new.json", "old.json"):
        with pytest.raises(RuntimeError, match="rendering"):
            await storage.write_output(f"az://{container}/{name}", pieces())
    assert not await storage.exists(f"az://{container}/new.json")
    assert await read(storage, f"az://{container}/old.json") == b"before"
    assert [name async for name in blobs.list_blob_names()] == ["old.json"]
    # What was left of it is in nobody's way.
    for name in ("new.json", "old.json"):
        await storage.write_output(f"az://{container}/{name}", [b"y" * BLOCK_BYTES, b"z"])
        assert len(await read(storage, f"az://{container}/{name}")) == BLOCK_BYTES + 1


async def test_what_is_there_is_overwritten_skipped_or_refused(storage: AzureStorage, container: str) -> None:
    uri = f"az://{container}/a.json"
    await storage.write_output(uri, b"first", OnConflict.FAIL)
    skipped = await storage.write_output(uri, b"second!", OnConflict.SKIP)
    assert (skipped.size_bytes, skipped.skipped) == (5, True)
    assert await reason_of(storage.write_output(uri, b"second!", OnConflict.FAIL)) is Reason.OUTPUT_EXISTS
    assert await read(storage, uri) == b"first"
    await storage.write_output(uri, b"third")
    assert await read(storage, uri) == b"third"
    assert await storage.exists(uri)
    assert await storage.identity(uri) == uri
    assert await storage.identity(f"AZ://{container}/b\\c.json") == f"az://{container}/b/c.json"
    assert await storage.identity("az://") == "az://"
    assert await storage.remove(uri)
    assert not await storage.remove(uri)
    assert not await storage.exists(uri)


@pytest.mark.parametrize("name", ["", "out/", "out", "a.json"])
async def test_who_may_write_is_told_so_and_nothing_changes(
    blobs: ContainerClient, storage: AzureStorage, container: str, name: str
) -> None:
    await storage.write_output(f"az://{container}/a.json", b"before")
    await storage.check_writable(f"az://{container}/{name}")
    assert [found async for found in blobs.list_blob_names()] == ["a.json"]
    assert await read(storage, f"az://{container}/a.json") == b"before"


async def test_who_may_not_write_is_told_before_anything_is_written(
    endpoint: str, container: str, storage: AzureStorage, tmp_path: Path
) -> None:
    async with storage_of(endpoint, tmp_path, sas_token=account_sas("rl")) as reader:
        assert await reason_of(reader.check_writable(f"az://{container}/out/")) is Reason.BUCKET_WRITE_DENIED
    async with storage_of(endpoint, tmp_path, WRONG_KEY) as wrong:
        assert await reason_of(wrong.check_writable(f"az://{container}/out/")) is Reason.BUCKET_WRITE_DENIED
    assert await reason_of(storage.check_writable("az://no-such-container/out/")) is Reason.OUTPUT_FAILED


async def test_a_container_is_no_place_for_an_output(storage: AzureStorage, container: str) -> None:
    for doing in (
        storage.write_output(f"az://{container}/", b"text"),
        storage.exists(f"az://{container}"),
        storage.remove(f"az://{container}"),
    ):
        assert await reason_of(doing) is Reason.OUTPUT_FAILED


@pytest.mark.parametrize("pieces", [[b"x" * 100], [b"x" * BLOCK_BYTES, b"x"]], ids=["small", "large"])
async def test_of_those_who_write_an_output_that_was_not_there_one_does(
    storage: AzureStorage, container: str, pieces: list[bytes]
) -> None:
    uri = f"az://{container}/a.json"
    done: list[Any] = await asyncio.gather(*(storage.write_output(uri, pieces, OnConflict.SKIP) for _ in range(4)))
    assert sum(not each.skipped for each in done) == 1, done
    assert await read(storage, uri) == b"".join(pieces)


async def test_another_writers_blocks_do_not_get_into_an_output(storage: AzureStorage, container: str) -> None:
    uri = f"az://{container}/a.json"

    async def write(letter: bytes) -> None:
        await storage.write_output(uri, [letter * BLOCK_BYTES] * 3)

    done = await asyncio.gather(*map(write, (b"a", b"b", b"c")), return_exceptions=True)
    assert None in done
    assert all(isinstance(each, JobFailure) and "by another" in each.message for each in done if each is not None)
    body = await read(storage, uri)
    assert body in {letter * 3 * BLOCK_BYTES for letter in (b"a", b"b", b"c")}
