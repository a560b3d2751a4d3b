"""Batches from and to buckets: the server is killed in the middle of the scan, of the writing, and of the deleting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aioboto3
import pytest

from batchscribe import AsyncClient, BatchNotFoundError, BatchscribeError, manifest_at, output_config
from batchscribe.v1 import state_pb2
from tests.many_files import UTTERANCES, words
from tests.object_store import OWNER, cut_line, object_store
from tests.running_server import RunningServer
from tests.speech import spoken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

OBJECTS = 1_500
ENTRIES = 6_000
LISTED_BYTES = 400_000  # somewhere in the second page, each of which names a thousand objects
DELETED_BYTES = 3_000  # of some 10,000 that the answers to the deletion have
FILES = 24
REGION = "us-east-1"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        yield started


@asynccontextmanager
async def bucket(endpoint: str, name: str, objects: dict[str, bytes]) -> AsyncIterator[Any]:
    """A new bucket with these objects, and a client of its server."""
    session = aioboto3.Session(*OWNER, region_name=REGION)
    async with session.client("s3", endpoint_url=endpoint) as client:
        await client.create_bucket(Bucket=name)
        keys = iter(objects)

        async def put() -> None:
            for key in keys:
                await client.put_object(Bucket=name, Key=key, Body=objects[key])

        await asyncio.gather(*(put() for _ in range(16)))
        yield client


def server_of(folder: Path, endpoint: str) -> tuple[RunningServer, dict[str, str]]:
    """A server that is not started yet, and the environment that it needs."""
    environment = {
        "BATCHSCRIBE_STORAGE__S3__BUCKETS": '["*"]',
        "BATCHSCRIBE_STORAGE__S3__ENDPOINT": endpoint,
        "BATCHSCRIBE_STORAGE__S3__REGION": REGION,
        "BATCHSCRIBE_STORAGE__S3__ACCESS_KEY_ID": OWNER[0],
        "BATCHSCRIBE_STORAGE__S3__SECRET_ACCESS_KEY": OWNER[1],
    }
    return RunningServer(folder, "--model=tiny.en"), environment


async def test_a_scan_that_a_kill_cut_off_finds_every_object_once(endpoint: str, tmp_path: Path) -> None:
    killed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def kill() -> None:
        server.kill()
        loop.call_soon_threadsafe(killed.set)

    names = {f"in/{number:05}.wav": b"no sound" for number in range(OBJECTS)}
    async with bucket(endpoint, "scanned", names), cut_line(endpoint, LISTED_BYTES, kill) as line:
        server, environment = server_of(tmp_path, line.endpoint)
        try:
            await asyncio.to_thread(server.start, **environment)
            async with AsyncClient(server.address, retry_s=60) as client:
                await client.submit_batch("s3://scanned/in/", batch_id="cut-off-scan")
                await killed.wait()
                await asyncio.to_thread(server.start, **environment)
                before = await client.get_batch("batches/cut-off-scan")
                while before.state == state_pb2.STATE_INITIALIZING:
                    await asyncio.sleep(0.05)
                    before = await client.get_batch("batches/cut-off-scan")
                await client.cancel_batch("batches/cut-off-scan")
                uris = [job.input_uri async for job in client.list_jobs(batch="batches/cut-off-scan", page_size=1000)]
        finally:
            server.close()
    assert sorted(uris) == [f"s3://scanned/{name}" for name in names]


async def test_a_manifest_whose_scan_a_kill_cut_off_is_listed_once(endpoint: str, tmp_path: Path) -> None:
    uris = [f"s3://listed/in/{number:05}.wav" for number in range(ENTRIES)]
    manifest = "".join(json.dumps({"uri": uri}) + "\n" for uri in uris).encode()
    server, environment = server_of(tmp_path, endpoint)
    async with bucket(endpoint, "listed", {"list.jsonl": manifest}):
        try:
            await asyncio.to_thread(server.start, **environment)
            async with AsyncClient(server.address, retry_s=60) as client:
                await client.submit_batch(manifest_at("s3://listed/list.jsonl"), batch_id="cut-off-list")
                while not (found := (await client.get_batch("batches/cut-off-list")).counts.total):
                    await asyncio.sleep(0.01)
                await asyncio.to_thread(server.kill)
                assert found < ENTRIES
                await asyncio.to_thread(server.start, **environment)
                while (await client.get_batch("batches/cut-off-list")).state == state_pb2.STATE_INITIALIZING:
                    await asyncio.sleep(0.05)
                await client.cancel_batch("batches/cut-off-list")
                jobs = client.list_jobs(batch="batches/cut-off-list", page_size=1000)
                listed = [job.input_uri async for job in jobs]
        finally:
            server.close()
    assert sorted(listed) == uris


async def test_each_input_has_one_whole_set_of_outputs_after_kills_while_they_are_written(
    endpoint: str, tmp_path: Path
) -> None:
    said = {f"{number:02}.wav": UTTERANCES[number % len(UTTERANCES)] for number in range(FILES)}
    sounds = {f"in/{name}": spoken(text).read_bytes() for name, text in said.items()}
    server, environment = server_of(tmp_path, endpoint)

    async def outputs(client: Any) -> dict[str, str]:
        """What is there now; each was whole when it was seen."""
        listed = (await client.list_objects_v2(Bucket="written", Prefix="out/")).get("Contents", [])
        found = {}
        for each in listed:
            body = (await (await client.get_object(Bucket="written", Key=each["Key"]))["Body"].read()).decode()
            found[each["Key"].removeprefix("out/")] = json.loads(body) if each["Key"].endswith(".json") else body
        return found

    async with bucket(endpoint, "written", sounds) as store:
        try:
            await asyncio.to_thread(server.start, **environment)
            async with AsyncClient(server.address, retry_s=60) as client:
                await client.submit_batch(
                    "s3://written/in/",
                    output=output_config("s3://written/out/", formats=["json", "txt"]),
                    batch_id="killed-twice",
                )
                for enough in (FILES // 4, FILES // 2):
                    while len(await outputs(store)) < enough:
                        await asyncio.sleep(0.05)
                    await asyncio.to_thread(server.kill)
                    await outputs(store)
                    await asyncio.to_thread(server.start, **environment)
                batch = await client.wait_for_batch("batches/killed-twice", timeout_s=90)
        finally:
            server.close()
        written = await outputs(store)
        assert not (await store.list_multipart_uploads(Bucket="written")).get("Uploads")
    assert batch.counts.succeeded == FILES
    assert set(written) == {f"{name}.{suffix}" for name in said for suffix in ("json", "txt")}
    assert {name: words(written[f"{name}.txt"]) for name in said} == {name: words(text) for name, text in said.items()}


async def test_a_deletion_that_a_kill_cut_off_leaves_nothing(endpoint: str, tmp_path: Path) -> None:
    killed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def kill() -> None:
        server.kill()
        loop.call_soon_threadsafe(killed.set)

    sound = spoken(UTTERANCES[0]).read_bytes()
    server, environment = server_of(tmp_path, endpoint)
    async with bucket(endpoint, "deleted", {f"in/{number:02}.wav": sound for number in range(12)}) as store:

        async def outputs() -> int:
            return int((await store.list_objects_v2(Bucket="deleted", Prefix="out/"))["KeyCount"])

        try:
            await asyncio.to_thread(server.start, **environment)
            output = output_config("s3://deleted/out/", formats=["json", "txt"], write_report=True)
            async with AsyncClient(server.address, retry_s=60) as client:
                await client.submit_batch("s3://deleted/in/", output=output, batch_id="half-deleted")
                await client.wait_for_batch("batches/half-deleted", timeout_s=90)
                assert await outputs() == 25
                await asyncio.to_thread(server.stop)
                async with cut_line(endpoint, DELETED_BYTES, kill) as line:
                    behind_line = environment | {"BATCHSCRIBE_STORAGE__S3__ENDPOINT": line.endpoint}
                    await asyncio.to_thread(server.start, **behind_line)
                    with pytest.raises(BatchscribeError):
                        await client.delete_batch("batches/half-deleted", delete_outputs=True)
                    await killed.wait()
                assert 0 < await outputs() < 25
                await asyncio.to_thread(server.start, **environment)
                with pytest.raises(BatchNotFoundError):
                    while True:
                        await client.get_batch("batches/half-deleted")
                        await asyncio.sleep(0.05)
                assert await outputs() == 0
                assert [job async for job in client.list_jobs()] == []
        finally:
            server.close()
