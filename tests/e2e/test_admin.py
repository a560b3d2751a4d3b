"""`batchscribe admin` on a real server: who is there, what waits, and a drain that is taken back."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from batchscribe import Client
from tests.listening import free_port
from tests.many_files import UTTERANCES
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import spoken

pytestmark = pytest.mark.slow

ADMIN, HTTP = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("admin")
    options = ("--model=tiny.en", f"--admin-listen={ADMIN}", f"--metrics-listen={HTTP}")
    with running_server(folder, *options) as started:
        yield started


def admin(*arguments: str, address: str = ADMIN) -> subprocess.CompletedProcess[str]:
    command = [str(BATCHSCRIBE), "admin", *arguments]
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": address}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def told(*arguments: str) -> list[dict[str, Any]]:
    done = admin(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ready() -> int:
    try:
        with urllib.request.urlopen(f"http://{HTTP}/readyz", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def wait_for_health(server: RunningServer, wanted: int) -> None:
    with grpc.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
        next(answer for answer in watch if answer.status == wanted)
        watch.cancel()


def test_a_replica_is_listed_drained_and_takes_up_work_again(server: RunningServer) -> None:
    status = health_pb2.HealthCheckResponse
    (replica,) = told("replicas")
    assert replica["address"] == server.address
    assert replica["device"] == "cpu"
    assert admin("replicas").stdout.splitlines()[1].split()[0] == replica["name"]

    assert told("drain", replica["name"])[0]["drain_requested"] is True
    wait_for_health(server, status.NOT_SERVING)
    assert ready() == 503
    (draining,) = told("replicas")
    assert draining["state"] == "REPLICA_STATE_DRAINING"
    with Client(server.address) as client:
        job = client.submit(str(spoken(UTTERANCES[2])))  # it takes what still comes to it
        (queue,) = told("queue")
        assert (queue["queued_jobs"], queue["lines"][0]["tenant"]) == ("1", "default")
        assert "(single files)" in admin("queue").stdout
        assert "drain" not in told("drain", replica["name"].removeprefix("replicas/"), "--undo")[0]
        wait_for_health(server, status.SERVING)
        assert ready() == 200
        client.wait_for_job(job.name, timeout_s=60)
    assert admin("queue").stdout == "0 queued, 0 running\n"


def test_bad_requests_are_told(server: RunningServer) -> None:
    done = admin("drain", "replicas/0192")
    assert (done.returncode, "(REPLICA_NOT_FOUND)" in done.stderr) == (4, True)
    assert "(INVALID_FIELD)" in admin("drain", "replicas/a b").stderr


def test_it_is_not_offered_where_everyone_calls(server: RunningServer) -> None:
    done = admin("replicas", address=server.address)
    assert done.returncode != 0
    assert done.stderr.startswith("error: this server offers no administration at this address")


def test_it_is_offered_there_where_the_settings_say_so(tmp_path: Path) -> None:
    with running_server(tmp_path, "--model=tiny.en", BATCHSCRIBE_ADMIN__PUBLIC="true") as server:
        assert admin("replicas", address=server.address).returncode == 0
        assert server.stop() == 0


def test_a_port_that_is_taken_ends_the_start_with_a_line(server: RunningServer, tmp_path: Path) -> None:
    command = [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", f"--data-dir={tmp_path}", "--model=tiny.en"]
    done = subprocess.run(
        [*command, f"--admin-listen={ADMIN}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert f"batchscribe: cannot listen on {ADMIN}: is another server there?" in done.stderr.splitlines()
