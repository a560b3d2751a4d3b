"""Two servers on one PostgreSQL and one bucket: what one is given, the other does."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from batchscribe import AsyncClient
from batchscribe.v1 import model_service_pb2, state_pb2, storage_pb2
from tests.many_files import UTTERANCES, words
from tests.object_store import OWNER, object_store, owners_client
from tests.postgres_server import PostgresServer, postgres_server
from tests.running_server import BATCHSCRIBE, RunningServer
from tests.scripted_web import Reply, scripted_web
from tests.speech import spoken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TEXT = UTTERANCES[2]
KEY = Fernet.generate_key().decode()


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as started:
        yield started


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects")) as started:
        asyncio.run(with_buckets(started))
        yield started


async def with_buckets(endpoint: str) -> None:
    async with owners_client(endpoint) as client:
        for bucket in ("media", "calls"):
            await client.create_bucket(Bucket=bucket)


async def kept_in_bucket(endpoint: str) -> list[str]:
    """The names of what the service keeps in the bucket."""
    async with owners_client(endpoint) as client:
        return [each["Key"] for each in (await client.list_objects_v2(Bucket="media")).get("Contents", ())]


@pytest.fixture
def environment(postgres: PostgresServer, endpoint: str) -> dict[str, str]:
    """What both servers are told: a database, a place for uploads that clients can't name, and a key."""
    return {
        "BATCHSCRIBE_DATABASE__URL": asyncio.run(postgres.create_database()),
        "BATCHSCRIBE_STORAGE__MEDIA_URI": "s3://media/uploads",
        "BATCHSCRIBE_STORAGE__MEDIA_PROFILE": "media",
        "BATCHSCRIBE_STORAGE__PROFILES": json.dumps(
            {
                "media": {
                    "endpoint": endpoint,
                    "region": "us-east-1",
                    "access_key_id": OWNER[0],
                    "secret_access_key": OWNER[1],
                }
            }
        ),
        "BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([endpoint]),
        "BATCHSCRIBE_STORAGE__HTTPS__HTTP": "true",
        "BATCHSCRIBE_STORAGE__HTTPS__PRIVATE_ADDRESSES": "true",
        "BATCHSCRIBE_SECRETS__KEYS": json.dumps([KEY]),
    }


@asynccontextmanager
async def started(folder: Path, environment: dict[str, str], **more: str) -> AsyncIterator[RunningServer]:
    folder.mkdir(exist_ok=True)
    server = RunningServer(folder, "--model=tiny.en")
    try:
        await asyncio.to_thread(server.start, **environment, **more)
        yield server
    finally:
        await asyncio.to_thread(server.close)


@asynccontextmanager
async def busy(folder: Path, environment: dict[str, str]) -> AsyncIterator[RunningServer]:
    """A server that takes no more jobs: it has one place for files that are fetched, and what it fetches hangs."""
    async with scripted_web(lambda _: Reply(200, b"x" * 1_000, held_after=1)) as web:
        one = {"BATCHSCRIBE_JOBS__MAX_TRANSFERRING": "1", "BATCHSCRIBE_JOBS__MAX_RUNNING": "1"}
        async with started(folder, environment, **one) as server:
            async with AsyncClient(server.address) as client:
                await client.submit(web.url())
            async with asyncio.timeout(30):
                await web.was_asked.wait()
            yield server


def ran(server: RunningServer, job: str) -> bool:
    """Whether the server has brought that job to its end."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    return any(line.get("event") == "job_finished" and line.get("job") == job for line in lines)


async def test_an_upload_through_one_is_transcribed_by_the_other_and_read_through_the_first(
    endpoint: str, environment: dict[str, str], tmp_path: Path
) -> None:
    async with busy(tmp_path / "a", environment) as a, started(tmp_path / "b", environment) as b:
        async with AsyncClient(a.address) as client:
            job = await client.submit(spoken(TEXT))
            ended = await client.wait_for_job(job.name, timeout_s=120)
            transcript = await client.transcript(job.name)
        assert ended.state == state_pb2.STATE_SUCCEEDED
        assert words(transcript) == words(TEXT)
        assert (ran(a, job.name), ran(b, job.name)) == (False, True)
        (kept,) = await kept_in_bucket(endpoint)
        assert kept.startswith("uploads/")
        for server in (a, b):
            assert list((server.data_dir / "media").iterdir()) == []
            assert "uploads_not_shared" not in server.log.read_text()


async def test_an_upload_outlives_the_server_that_received_it(environment: dict[str, str], tmp_path: Path) -> None:
    async with started(tmp_path / "a", environment) as a:
        async with AsyncClient(a.address) as client:
            media = await client.upload(spoken(TEXT))
        await asyncio.to_thread(a.kill)
        async with started(tmp_path / "b", environment) as b, AsyncClient(b.address) as client:
            job = await client.submit(media)
            assert (await client.wait_for_job(job.name, timeout_s=120)).state == state_pb2.STATE_SUCCEEDED
        await asyncio.to_thread(a.start, **environment)
        async with AsyncClient(a.address) as client:
            assert words(await client.transcript(job.name)) == words(TEXT)


async def test_credentials_that_one_has_sealed_the_other_opens(
    endpoint: str, environment: dict[str, str], tmp_path: Path
) -> None:
    async with owners_client(endpoint) as s3:
        await s3.put_object(Bucket="calls", Key="a.wav", Body=spoken(TEXT).read_bytes())
    auth = storage_pb2.StorageAuth(
        s3=storage_pb2.S3Credentials(
            access_key_id=OWNER[0], secret_access_key=OWNER[1], endpoint=endpoint, region="us-east-1"
        )
    )
    async with busy(tmp_path / "a", environment) as a, started(tmp_path / "b", environment) as b:
        async with AsyncClient(a.address) as client:
            job = await client.submit("s3://calls/a.wav", auth=auth)
            ended = await client.wait_for_job(job.name, timeout_s=120)
        assert ended.state == state_pb2.STATE_SUCCEEDED, ended.error
        assert (ran(a, job.name), ran(b, job.name)) == (False, True)


async def test_a_model_that_one_has_can_be_asked_for_through_the_other(
    environment: dict[str, str], tmp_path: Path
) -> None:
    only_declared = {**environment, "BATCHSCRIBE_HUB": "false"}
    declared = {"BATCHSCRIBE_MODELS": json.dumps({"calls": "tiny.en"})}
    async with started(tmp_path / "a", only_declared, **declared) as a, started(tmp_path / "b", only_declared) as b:
        async with AsyncClient(b.address) as client:
            async with asyncio.timeout(30):
                while "calls" not in (models := await offered_by_others(client)):
                    await asyncio.sleep(0.2)
            assert models == ["calls"]
            job = await client.submit(spoken(TEXT), model="calls")
            assert (await client.wait_for_job(job.name, timeout_s=120)).state == state_pb2.STATE_SUCCEEDED
            assert (ran(a, job.name), ran(b, job.name)) == (True, False)

            # It waits for the one that has it, also where the other one has just started and knows nothing of that.
            await asyncio.to_thread(a.kill)
            job = await client.submit(spoken(TEXT), model="calls")
        await asyncio.to_thread(b.kill)
        await asyncio.to_thread(b.start, **only_declared)
        async with AsyncClient(b.address) as client:
            other = await client.submit(spoken(TEXT))
            assert (await client.wait_for_job(other.name, timeout_s=120)).state == state_pb2.STATE_SUCCEEDED
            await asyncio.to_thread(a.start, **only_declared, **declared)
            ended = await client.wait_for_job(job.name, timeout_s=120)
            assert ended.state == state_pb2.STATE_SUCCEEDED, ended.error
        assert (ran(a, job.name), ran(b, job.name)) == (True, False)


async def offered_by_others(client: AsyncClient) -> list[str]:
    """The models of other servers, by a server's own account."""
    elsewhere = model_service_pb2.MODEL_SOURCE_REPLICA
    return [model.name.removeprefix("models/") async for model in client.list_models() if model.source == elsewhere]


async def test_a_server_with_another_key_does_not_start_and_one_with_a_newer_one_does(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with started(tmp_path / "a", environment):
        other = {**environment, "BATCHSCRIBE_SECRETS__KEYS": "[]"}
        refused = await asyncio.to_thread(serve, tmp_path / "b", other)
        assert refused.returncode == 1
        assert "secrets.keys or secrets.file" in refused.stderr
        keys = tmp_path / "keys"
        keys.write_text(f"{Fernet.generate_key().decode()}\n{KEY}\n")
        newer = {**other, "BATCHSCRIBE_SECRETS__FILE": str(keys)}
        async with started(tmp_path / "c", newer) as c:
            assert "secrets_key_rotated" in c.log.read_text()


async def test_a_bucket_that_cannot_be_used_keeps_a_server_from_starting(
    environment: dict[str, str], tmp_path: Path
) -> None:
    refused = await asyncio.to_thread(
        serve, tmp_path / "a", {**environment, "BATCHSCRIBE_STORAGE__MEDIA_URI": "s3://not-there/uploads"}
    )
    assert refused.returncode == 1
    assert "storage.media_uri cannot be used" in refused.stderr
    assert "there is no such bucket" in refused.stderr


async def test_uploads_that_are_not_shared_are_told_at_start(environment: dict[str, str], tmp_path: Path) -> None:
    unshared = {name: value for name, value in environment.items() if not name.startswith("BATCHSCRIBE_STORAGE__MEDIA")}
    async with started(tmp_path / "a", unshared) as server:
        assert "uploads_not_shared" in server.log.read_text()


def serve(folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A server that is expected to end by itself."""
    folder.mkdir()
    return subprocess.run(
        [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", f"--data-dir={folder / 'data'}", "--model=tiny.en"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
