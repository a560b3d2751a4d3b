"""A bucket that is away in the middle of a batch, on a real server: it waits, and nothing is done twice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from batchscribe import AsyncClient, output_config
from batchscribe.v1 import state_pb2
from tests.many_files import UTTERANCES, words
from tests.object_store import OWNER, object_store, owners_client
from tests.running_server import RunningServer
from tests.speech import spoken
from tests.store_proxy import Passing, Refusal, StoreProxy, nothing_is_refused, store_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FILES = 16


def too_busy(_: Passing) -> Refusal:
    return Refusal(503, "SlowDown")


async def waiting(client: AsyncClient, batch: str) -> list[str]:
    """What the files of a batch that wait say of it."""
    jobs = client.list_jobs(batch=batch, page_size=1000)
    return [job.warning async for job in jobs if job.state == state_pb2.STATE_QUEUED and job.warning]


async def test_a_batch_goes_on_when_its_bucket_is_back(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    server = RunningServer(tmp_path, "--model=tiny.en")
    with object_store(tmp_path / "objects") as endpoint:
        async with store_proxy(endpoint) as proxy, owners_client(endpoint) as bucket:
            await bucket.create_bucket(Bucket="calls")
            said = {f"{number:02}.wav": UTTERANCES[number % len(UTTERANCES)] for number in range(FILES)}
            for name, text in said.items():
                await bucket.put_object(Bucket="calls", Key=f"in/{name}", Body=spoken(text).read_bytes())
            try:
                await started(server, proxy)
                async with AsyncClient(server.address, retry_s=60) as client:
                    batch = (
                        await client.submit_batch(
                            "s3://calls/in/",
                            output=output_config("s3://calls/out/", formats=["txt"], write_report=True),
                        )
                    ).name
                    while not (await client.get_batch(batch)).counts.succeeded:
                        await asyncio.sleep(0.05)
                    proxy.refused = too_busy
                    while not (told := await waiting(client, batch)):
                        await asyncio.sleep(0.1)
                    assert "the object store answered" in " ".join(told)
                    proxy.refused = nothing_is_refused
                    ended = await client.wait_for_batch(batch, timeout_s=200)
                    attempts = {job.attempt async for job in client.list_jobs(batch=batch, page_size=1000)}
            finally:
                server.close()
            written = {}
            for each in (await bucket.list_objects_v2(Bucket="calls", Prefix="out/"))["Contents"]:
                body = await (await bucket.get_object(Bucket="calls", Key=each["Key"]))["Body"].read()
                written[each["Key"].removeprefix("out/")] = body.decode()
    assert (ended.state, ended.counts.succeeded, ended.warning) == (state_pb2.STATE_SUCCEEDED, FILES, "")
    assert attempts == {1}
    assert {name: words(written[f"{name}.txt"]) for name in said} == {name: words(text) for name, text in said.items()}


async def started(server: RunningServer, proxy: StoreProxy) -> None:
    environment = {
        "BATCHSCRIBE_STORAGE__S3__BUCKETS": '["*"]',
        "BATCHSCRIBE_STORAGE__S3__ENDPOINT": proxy.endpoint,
        "BATCHSCRIBE_STORAGE__S3__REGION": "us-east-1",
        "BATCHSCRIBE_STORAGE__S3__ACCESS_KEY_ID": OWNER[0],
        "BATCHSCRIBE_STORAGE__S3__SECRET_ACCESS_KEY": OWNER[1],
    }
    await asyncio.to_thread(server.start, **environment)
