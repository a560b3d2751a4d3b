"""What every call has around it: request ids, statuses, deadlines, cancellation, health, reflection and draining."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
import structlog
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from batchscribe.v1 import job_pb2, model_service_pb2, storage_pb2
from batchscribe.v1 import job_service_pb2 as pb
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.model import Model
from batchscribe_server.operations.watch import Watch, WatchMessage
from batchscribe_server.rpc.server import SERVICE_NAMES, RpcServer
from batchscribe_server.rpc.services import RpcLimits, Services
from tests.rpc_errors import detail_of, reason_of
from tests.rpc_server import Served, event_of, served

PATIENCE_S = 60.0
HEALTHCHECK = Path(__file__).parents[3] / "deploy" / "docker" / "healthcheck.py"


class QuietWatch:
    """A watch in which nothing ever happens; tells when it was opened and closed."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()

    async def job(self, *_: Any, **__: Any) -> AsyncGenerator[WatchMessage]:
        self.opened.set()
        try:
            await asyncio.Event().wait()
            yield  # type: ignore[misc]
        finally:
            self.closed.set()

    def drain(self) -> None:
        """Nothing ends it."""


class RaisingModels:
    """Models that raise what they were given."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def list(self) -> tuple[Model, ...]:
        raise self._error

    def get(self, name: str) -> Model:
        raise self._error

    async def resolve(self, name: str) -> Model:
        raise self._error


def quiet(watch: QuietWatch) -> Any:
    return lambda services: replace(services, watch=cast("Watch", watch))


def raising(error: Exception) -> Any:
    def adapt(services: Services) -> Services:
        return replace(services, models=RaisingModels(error))

    return adapt


async def list_models(server: Served) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await server.models.ListModels(model_service_pb2.ListModelsRequest(), metadata=(("x-request-id", "mine-1"),))
    return raised.value


async def test_a_cancelled_watch_is_closed_on_the_server(tmp_path: Path) -> None:
    watch = QuietWatch()
    async with served(tmp_path, adapt=quiet(watch)) as server, asyncio.timeout(PATIENCE_S):
        call = server.jobs.WatchJob(pb.WatchJobRequest(name="jobs/any"))
        reading = asyncio.ensure_future(call.read())
        await watch.opened.wait()
        call.cancel()
        await watch.closed.wait()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_a_deadline_ends_the_operation(tmp_path: Path) -> None:
    watch = QuietWatch()
    async with served(tmp_path, adapt=quiet(watch)) as server, asyncio.timeout(PATIENCE_S):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.jobs.WatchJob(pb.WatchJobRequest(name="jobs/any"), timeout=0.3).read()
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await watch.closed.wait()


async def test_an_unforeseen_error_tells_the_client_nothing_but_the_request_id(tmp_path: Path) -> None:
    async with served(tmp_path, adapt=raising(RuntimeError("the secret is 42"))) as server:
        with structlog.testing.capture_logs() as logs:
            error = await list_models(server)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert reason_of(error) == "INTERNAL"
    assert "secret" not in str(error.details()) + str(error.trailing_metadata())
    assert detail_of(error, error_details_pb2.RequestInfo).request_id == "mine-1"
    failed = next(entry for entry in logs if entry["event"] == "rpc_failed")
    assert failed["exc_info"]


async def test_a_job_failure_in_an_operation_is_a_failed_precondition(tmp_path: Path) -> None:
    failure = JobFailure(Reason.MODEL_UNAVAILABLE, "the model can't be downloaded")
    async with served(tmp_path, adapt=raising(failure)) as server:
        error = await list_models(server)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert reason_of(error) == "MODEL_UNAVAILABLE"
    assert error.details() == "the model can't be downloaded"


async def test_the_clients_request_id_comes_back_and_a_strange_one_does_not(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for given, accepted in (("mine-1", True), ("a b", False), ("x" * 200, False)):
            call = server.models.ListModels(model_service_pb2.ListModelsRequest(), metadata=(("x-request-id", given),))
            await call
            sent = dict(list(await call.initial_metadata()))["x-request-id"]
            assert dict(list(await call.trailing_metadata()))["x-request-id"] == sent
            assert (sent == given) is accepted
            assert sent


async def test_each_call_leaves_one_line_in_the_log_without_content(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        uri = server.service.audio("confidential.wav")
        with structlog.testing.capture_logs() as logs:
            await server.jobs.CreateJob(
                pb.CreateJobRequest(job=job_pb2.Job(input=storage_pb2.InputConfig(uri=uri)), validate_only=True)
            )
            with pytest.raises(grpc.aio.AioRpcError):
                await server.jobs.GetJob(pb.GetJobRequest(name="jobs/nobody"))
            with pytest.raises(grpc.aio.AioRpcError):
                await server.jobs.WatchJob(pb.WatchJobRequest(name="jobs/nobody")).read()
    lines = [entry for entry in logs if entry["event"] == "rpc_finished"]
    assert [(line["method"].rpartition("/")[2], line["code"]) for line in lines] == [
        ("CreateJob", "OK"),
        ("GetJob", "NOT_FOUND"),
        ("WatchJob", "NOT_FOUND"),
    ]
    assert all(line["duration_ms"] >= 0 for line in lines)
    assert "confidential" not in str(lines)


async def test_health_follows_set_serving_per_service_and_ends_with_draining(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        health = health_pb2_grpc.HealthStub(server.channel)

        async def statuses() -> set[int]:
            return {
                (await health.Check(health_pb2.HealthCheckRequest(service=service))).status
                for service in ("", *SERVICE_NAMES)
            }

        assert await statuses() == {health_pb2.HealthCheckResponse.NOT_SERVING}
        await server.server.set_serving(True)
        assert await statuses() == {health_pb2.HealthCheckResponse.SERVING}
        await server.server.set_serving(False)
        assert await statuses() == {health_pb2.HealthCheckResponse.NOT_SERVING}
        await server.server.set_serving(True)
        await server.server.begin_drain()
        await server.server.set_serving(True)
        assert await statuses() == {health_pb2.HealthCheckResponse.NOT_SERVING}


async def test_the_health_service_itself_is_serving_while_anybody_answers(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        health = health_pb2_grpc.HealthStub(server.channel)
        alive = health_pb2.HealthCheckRequest(service="grpc.health.v1.Health")
        assert (await health.Check(alive)).status == health_pb2.HealthCheckResponse.SERVING
        await server.server.begin_drain()
        assert (await health.Check(alive)).status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await health.Check(health_pb2.HealthCheckRequest(service="batchscribe.v1.NoService"))
        assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_container_is_healthy_while_its_server_takes_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthcheck = runpy.run_path(str(HEALTHCHECK))["main"]
    async with served(tmp_path) as server, asyncio.timeout(PATIENCE_S):
        monkeypatch.setenv("BATCHSCRIBE_ADDRESS", server.address)
        assert await asyncio.to_thread(healthcheck) == 1
        assert await asyncio.to_thread(healthcheck, "grpc.health.v1.Health") == 0
        await server.server.set_serving(True)
        assert await asyncio.to_thread(healthcheck) == 0
        assert await asyncio.to_thread(healthcheck, "batchscribe.v1.NoService") == 1
    assert await asyncio.to_thread(healthcheck) == 1


async def test_reflection_lists_the_services(tmp_path: Path) -> None:
    async with served(tmp_path) as server, asyncio.timeout(PATIENCE_S):
        call = reflection_pb2_grpc.ServerReflectionStub(server.channel).ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await call.read()
        await call.done_writing()
        names = {service.name for service in answer.list_services_response.service}
    assert {*SERVICE_NAMES, "grpc.health.v1.Health"} <= names


async def test_draining_refuses_changes_but_lets_clients_read(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await server.server.begin_drain()
        job = job_pb2.Job(input=storage_pb2.InputConfig(uri=server.service.audio("call.wav")))
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.jobs.CreateJob(pb.CreateJobRequest(job=job))
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert reason_of(raised.value) == "SERVER_DRAINING"
        assert detail_of(raised.value, error_details_pb2.RetryInfo).retry_delay.seconds > 0
        assert (await server.jobs.ListJobs(pb.ListJobsRequest())).total_size == 0


async def test_draining_ends_watches_and_long_polls_with_an_error_to_retry(tmp_path: Path) -> None:
    async with served(tmp_path) as server, asyncio.timeout(PATIENCE_S):
        server.service.transcriber.flowing.clear()
        job = job_pb2.Job(input=storage_pb2.InputConfig(uri=server.service.audio("call.wav")))
        created = await server.jobs.CreateJob(pb.CreateJobRequest(job=job))
        watch = server.jobs.WatchJob(pb.WatchJobRequest(name=created.name))
        assert (await event_of(watch)).WhichOneof("event") == "snapshot"
        poll = asyncio.ensure_future(server.jobs.GetJob(pb.GetJobRequest(name=created.name, wait=Duration(seconds=60))))
        await server.service.transcriber.started.wait()
        # A later call on the same connection was answered, so the long poll has arrived.
        await server.jobs.GetJob(pb.GetJobRequest(name=created.name))

        async def rest_of_watch() -> None:
            while await watch.read() is not grpc.aio.EOF:
                pass

        watching = asyncio.ensure_future(rest_of_watch())
        await server.server.drain(grace_s=PATIENCE_S)
        for call in (watching, poll):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
            assert reason_of(raised.value) == "SERVER_DRAINING"


async def test_a_request_beyond_the_size_limit_is_refused(tmp_path: Path) -> None:
    async with served(tmp_path, RpcLimits(max_receive_bytes=1_000)) as server:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await server.jobs.GetJob(pb.GetJobRequest(name="jobs/" + "x" * 2_000))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_address_that_is_taken_is_an_error_at_start(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        with pytest.raises(RuntimeError):
            await RpcServer(server.services).start(server.address)


async def test_a_held_health_watch_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    async with served(tmp_path) as server, asyncio.timeout(PATIENCE_S):
        watch = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await server.server.drain(grace_s=60 * PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await watch.read()
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_idle_connections_are_bounded_and_end_while_those_who_talk_go_on(tmp_path: Path) -> None:
    limits = RpcLimits(max_connections=4, greeting_s=1.0)
    async with served(tmp_path, limits) as server, asyncio.timeout(PATIENCE_S):
        request = model_service_pb2.ListModelsRequest()
        await server.models.ListModels(request)
        host, _, port = server.address.partition(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(12)]
        await server.models.ListModels(request)
        for reader, writer in idle:  # each is closed: most at once, the others when they have not said a word
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        async with grpc.aio.insecure_channel(
            server.address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            await health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
