"""Replicas that die, drain and fail behind a real Envoy: what a client sees of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from batchscribe import AsyncClient, UnavailableError
from batchscribe.errors import BatchscribeError
from batchscribe.v1 import state_pb2
from tests.listening import free_port
from tests.many_files import UTTERANCES, make_files
from tests.rpc_server import served
from tests.running_gateway import RunningGateway, replica_stat, running_gateway, wait_for_stat
from tests.running_server import RunningServer
from tests.speech import joined, spoken

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[RunningServer]]:
    """Two servers, each with a database of its own."""
    root = f"--file-root={tmp_path / 'calls'}"
    servers = [RunningServer(tmp_path / name, "--model=tiny.en", root) for name in ("a", "b")]
    try:
        for server in servers:
            server.folder.mkdir()
            server.start()
        yield servers
    finally:
        for server in servers:
            server.close()


class Load:
    """Calls without pause from a thread of its own, each on a new connection as curl's are, and what came of them."""

    def __init__(self, gateway: RunningGateway, method: str, path: str, body: Any = None) -> None:
        self.statuses: list[int] = []
        self._enough = threading.Event()
        self._going = threading.Condition()
        self._request = (method, f"http://{gateway.address}{path}", body)
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        method, url, body = self._request
        while not self._enough.is_set():
            with httpx.Client(trust_env=False, timeout=60) as client:
                status = client.request(method, url, json=body).status_code
            with self._going:
                self.statuses.append(status)
                self._going.notify_all()

    def wait_for_more(self, count: int) -> None:
        """Wait until so many more calls were answered."""
        with self._going:
            wanted = len(self.statuses) + count
            assert self._going.wait_for(lambda: len(self.statuses) >= wanted, timeout=60)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join()


def test_no_read_fails_when_a_replica_is_killed(tmp_path: Path, replicas: list[RunningServer]) -> None:
    addresses = [server.address for server in replicas]
    with running_gateway(tmp_path, *addresses) as gateway, Load(gateway, "GET", "/v1/models") as load:
        load.wait_for_more(20)
        replicas[0].kill()
        load.wait_for_more(100)
        # Back again, it gets its share.
        replicas[0].start()
        load.wait_for_more(20)
    assert set(load.statuses) == {200}


def test_no_call_fails_when_a_replica_drains(tmp_path: Path, replicas: list[RunningServer]) -> None:
    make_files(tmp_path / "calls", 1)
    job = {"input": {"uri": (tmp_path / "calls" / "000.wav").as_uri()}}
    addresses = [server.address for server in replicas]
    with (
        running_gateway(tmp_path, *addresses) as gateway,
        Load(gateway, "POST", "/v1/jobs?validate_only=true", job) as creates,
        Load(gateway, "GET", "/v1/jobs") as reads,
    ):
        creates.wait_for_more(20)
        assert replicas[0].stop() == 0
        creates.wait_for_more(50)
        reads.wait_for_more(50)
    assert (set(creates.statuses), set(reads.statuses)) == ({200}, {200})
    assert "draining" in replicas[0].log.read_text()


async def test_a_watch_in_the_python_client_resumes_where_a_killed_replica_broke_it(tmp_path: Path) -> None:
    # One replica alone, which comes back with the same database: two that share one are for PostgreSQL.
    long = joined([spoken(text) for text in UTTERANCES * 8], 0.6, tmp_path / "long.wav")
    server = RunningServer(tmp_path, "--model=tiny.en")
    broken: list[BatchscribeError] = []
    try:
        await asyncio.to_thread(server.start)
        with running_gateway(tmp_path, server.address) as gateway:
            async with AsyncClient(gateway.address) as client:
                job = await client.submit(long.as_uri())
                sequences: list[int] = []
                indexes: list[int] = []
                async for event in client.watch_job(job.name, on_reconnect=broken.append):
                    kind = event.WhichOneof("event")
                    if kind not in ("snapshot", "heartbeat"):
                        sequences.append(event.sequence)
                    if kind == "segment":
                        indexes.append(event.segment.index)
                        if len(indexes) == 3:
                            await asyncio.to_thread(server.kill)
                            await asyncio.to_thread(server.start)
                assert (await client.get_job(job.name)).state == state_pb2.STATE_SUCCEEDED
    finally:
        server.close()
    assert broken
    assert all(isinstance(error, UnavailableError) for error in broken)
    assert sequences == sorted(set(sequences))
    assert indexes == list(range(len(indexes)))


@contextmanager
def failing_replica(status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> Iterator[tuple[str, list[str]]]:
    """A replica that calls itself healthy and answers every call with that status; and the calls that it had."""
    had: list[str] = []

    class Refuses(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
            if not details.method.startswith("/batchscribe."):
                return None
            had.append(details.method)
            return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(status, "not today"))

    port = free_port()
    with grpc_server(port, Refuses()):
        yield f"127.0.0.1:{port}", had


@contextmanager
def grpc_server(port: int, handler: grpc.GenericRpcHandler) -> Iterator[None]:
    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        checks = health.HealthServicer()
        checks.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
        server.add_generic_rpc_handlers((handler,))
        server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield
        finally:
            server.stop(0).wait()


@asynccontextmanager
async def front(folder: Path, *replicas: str) -> AsyncIterator[tuple[RunningGateway, httpx.AsyncClient]]:
    """A gateway, and an HTTP client of it."""
    starting = running_gateway(folder, *replicas)
    gateway = await asyncio.to_thread(starting.__enter__)
    try:
        async with httpx.AsyncClient(base_url=f"http://{gateway.address}", trust_env=False, timeout=60) as client:
            yield gateway, client
    finally:
        await asyncio.to_thread(starting.__exit__, None, None, None)


async def test_reads_go_to_another_replica_and_one_that_fails_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    async with served(tmp_path / "service") as good:
        await good.server.set_serving(True)
        with failing_replica() as (bad, had):
            async with front(tmp_path, good.address, bad) as (gateway, rest):
                statuses = [(await rest.get("/v1/jobs")).status_code for _ in range(60)]
                calls = len(had)
                checks = await asyncio.to_thread(replica_stat, gateway, "health_check.success")
                await asyncio.to_thread(wait_for_stat, gateway, "health_check.success", checks + 4)
                statuses += [(await rest.get("/v1/jobs")).status_code for _ in range(20)]
                ejected = await asyncio.to_thread(replica_stat, gateway, "outlier_detection.ejections_active")
    assert set(statuses) == {200}
    assert ejected == 1
    assert 5 <= calls < 30  # it had its chance, and no more after that
    assert len(had) == calls


async def test_a_read_that_a_replica_cuts_off_as_it_ends_goes_to_another(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    async with served(tmp_path / "service") as good:
        await good.server.set_serving(True)
        with failing_replica(grpc.StatusCode.CANCELLED) as (ending, had):
            async with front(tmp_path, good.address, ending) as (_, rest):
                statuses = []
                while not had:
                    statuses.append((await rest.get("/v1/jobs")).status_code)
    assert set(statuses) == {200}


async def test_a_create_that_a_draining_replica_refuses_is_sent_to_another(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    job = {"input": {"uri": "https://example.org/call.wav"}}
    async with served(folders[0]) as draining, served(folders[1]) as good:
        for replica in (draining, good):
            await replica.server.set_serving(True)
        async with front(tmp_path, draining.address, good.address) as (gateway, rest):
            # Refused by both for what it is, but never for the drain, which Envoy hears of two seconds later.
            await draining.server.begin_drain()
            answers = [await rest.post("/v1/jobs?validate_only=true", json=job) for _ in range(30)]
            again = await asyncio.to_thread(replica_stat, gateway, "upstream_rq_retry_success")
    assert "SERVER_DRAINING" not in {answer.headers.get("x-error-reason") for answer in answers}
    assert 503 not in {answer.status_code for answer in answers}
    assert again > 0


async def test_what_may_have_been_begun_is_not_sent_again(tmp_path: Path) -> None:
    with failing_replica() as (bad, had):
        async with front(tmp_path, bad) as (_, rest):
            answer = await rest.post("/v1/jobs", json={"input": {"uri": "file:///x.wav"}})
            assert (answer.status_code, answer.json()["message"]) == (503, "not today")
            assert had == ["/batchscribe.v1.JobService/CreateJob"]


async def test_without_a_replica_calls_are_refused_at_once(tmp_path: Path) -> None:
    with _gateway_to_nowhere(tmp_path) as gateway:
        async with httpx.AsyncClient(base_url=f"http://{gateway.address}", trust_env=False) as rest:
            assert (await rest.get("/healthz")).status_code == 503
            answer = await rest.get("/v1/jobs")
            assert (answer.status_code, answer.json()["details"][0]["reason"]) == (503, "NO_REPLICA")
        async with AsyncClient(gateway.address, retry_s=0.1) as client:
            with pytest.raises(UnavailableError):
                await client.get_job("jobs/x")


@contextmanager
def _gateway_to_nowhere(folder: Path) -> Iterator[RunningGateway]:
    gateway = RunningGateway(folder, f"127.0.0.1:{free_port()}")
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.close()
