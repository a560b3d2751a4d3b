"""Credentials that are exchanged, renewed, or expire while a batch runs: a real server and a real S3 server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.ibm_cloud import APIKEY, INSTANCE, ibm_cloud
from tests.many_files import UTTERANCES, words
from tests.object_store import object_store
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import spoken
from tests.store_proxy import Passing, Refusal, store_proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

TEXT = UTTERANCES[2]
BATCH = "with-credentials"
NAMES = ["1.wav", "2.wav", "3.wav", "4.wav"]
TEMPORARY = {"access_key_id": "ASIA", "secret_access_key": "secret-0123456789", "session_token": "token-0123456789"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with object_store(tmp_path_factory.mktemp("objects"), public=True) as started:
        asyncio.run(fill(started))
        yield started


async def fill(endpoint: str) -> None:
    sound = await asyncio.to_thread(spoken(TEXT).read_bytes)
    async with aiohttp.ClientSession(endpoint, raise_for_status=True) as http:
        for target in ("/calls", "/transcripts", *(f"/calls/in/{name}" for name in NAMES)):
            async with http.put(target, data=sound if target.startswith("/calls/") else None):
                pass


async def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run,
        [str(BATCHSCRIBE), *arguments],
        env={**os.environ, "BATCHSCRIBE_ADDRESS": server.address},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def auth_file(folder: Path, **auth: dict[str, str]) -> str:
    path = folder / "auth.json"
    path.write_text(json.dumps(auth))
    return str(path)


async def run(server: RunningServer, auth: str, *more: str) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    """The batch at its end, its jobs, and what was printed."""
    arguments = ("batch", "submit", "s3://calls/in", "--format", "txt", "--auth", auth, "--id", BATCH, "--watch", *more)
    printed = await batchscribe(server, *arguments)
    batch = await batchscribe(server, "batch", "get", BATCH, "--json")
    jobs = await batchscribe(server, "batch", "jobs", BATCH, "--json")
    found = [json.loads(line) for line in jobs.stdout.splitlines()]
    return json.loads(batch.stdout), found, printed.stdout + printed.stderr + batch.stdout + jobs.stdout


async def test_a_batch_outlives_the_tokens_that_it_is_read_and_written_with(store: str, tmp_path: Path) -> None:
    async with ibm_cloud(store) as cloud:
        cloud.uses = 5
        allowed = {
            "BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([cloud.store.endpoint]),
            "BATCHSCRIBE_STORAGE__IBM_IAM_URL": cloud.iam.url,
            # One after the other: so few uses would otherwise be taken by others before a request is sent again.
            "BATCHSCRIBE_JOBS__MAX_TRANSFERRING": "1",
            "BATCHSCRIBE_JOBS__MAX_RUNNING": "1",
        }
        own = {"apikey": APIKEY, "endpoint": cloud.store.endpoint, "resource_instance_id": INSTANCE}
        with running_server(tmp_path, "--model=tiny.en", "--log-level=debug", **allowed) as server:
            batch, _, printed = await run(server, auth_file(tmp_path, ibm=own), "--output", "s3://transcripts/ibm/")
            assert (batch["state"], int(batch["counts"]["succeeded"])) == ("STATE_SUCCEEDED", len(NAMES)), printed
            kept = [path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file()]
            said = [*kept, server.log.read_bytes(), printed.encode()]
            assert not any(secret.encode() in data for secret in (APIKEY, *cloud.iam.tokens) for data in said)
    assert cloud.iam.asked >= 3
    async with aiohttp.ClientSession(store, raise_for_status=True) as http:
        for name in NAMES:
            async with http.get(f"/transcripts/ibm/{name}.txt") as answer:
                assert words(await answer.text()) == words(TEXT)


async def test_credentials_that_expire_in_the_middle_of_a_batch_end_the_files_that_are_left(
    store: str, tmp_path: Path
) -> None:
    async with store_proxy(store, anonymous=True) as proxy:

        def refused(_: Passing) -> Refusal | None:
            return Refusal(400, "ExpiredToken") if proxy.sent("GET", f"/in/{NAMES[1]}") else None

        proxy.refused = refused
        allowed = {
            "BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([proxy.endpoint]),
            "BATCHSCRIBE_JOBS__MAX_RUNNING": "1",
            "BATCHSCRIBE_JOBS__MAX_TRANSFERRING": "1",
        }
        own = {**TEMPORARY, "endpoint": proxy.endpoint, "region": "us-east-1"}
        with running_server(tmp_path, "--model=tiny.en", **allowed) as server:
            batch, jobs, printed = await run(server, auth_file(tmp_path, s3=own))
            alone = await batchscribe(server, "transcribe", str(spoken(TEXT)))
    assert batch["state"] == "STATE_SUCCEEDED", printed
    ended = {job["input"]["uri"].rpartition("/")[2]: job for job in jobs}
    assert ended[NAMES[0]]["state"] == "STATE_SUCCEEDED"
    for name in NAMES[1:]:
        assert ended[name]["error"]["reason"] == "BUCKET_READ_DENIED"
        assert "the credentials have expired" in ended[name]["error"]["message"]
    assert words(alone.stdout) == words(TEXT)


async def test_a_batch_with_expired_credentials_says_so_before_anything_is_transcribed(
    store: str, tmp_path: Path
) -> None:
    async with store_proxy(store, anonymous=True) as proxy:
        proxy.refused = lambda _: Refusal(400, "ExpiredToken")
        allowed = {"BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([proxy.endpoint])}
        own = {**TEMPORARY, "endpoint": proxy.endpoint, "region": "us-east-1"}
        with running_server(tmp_path, "--model=tiny.en", **allowed) as server:
            batch, jobs, _ = await run(server, auth_file(tmp_path, s3=own), "--output", "s3://transcripts/expired/")
    assert (batch["state"], batch["error"]["reason"]) == ("STATE_FAILED", "BUCKET_READ_DENIED")
    assert "the credentials have expired" in batch["error"]["message"]
    assert jobs == []
