"""A server among the replicas: its heartbeat, and how it drains and goes on when it is asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from batchscribe_server.domain.job import State
from batchscribe_server.domain.replica import ReplicaReport, ReplicaState
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.presence import Presence, PresenceLimits
from batchscribe_server.operations.submit import NewJob
from tests.in_process_service import TENANT, AnyModel, InProcessService, in_process_service
from tests.scripted_engine import ScriptedTranscriber


@asynccontextmanager
async def present(service: InProcessService, drain_timeout_s: float) -> AsyncIterator[Presence]:
    """The service's own row, which is told on its topic alone: no heartbeat comes in a test's time."""

    def report(draining: bool) -> ReplicaReport:
        state = ReplicaState.DRAINING if draining else ReplicaState.SERVING
        return ReplicaReport("one", "machine", "0.0.0.0:1", "0", state, service.dispatch.running, 4, "cpu")

    limits = PresenceLimits(beat_s=3_600, drain_timeout_s=drain_timeout_s)
    presence = Presence(
        service.store, service.wakeups, service.dispatch, FleetModels(AnyModel("base"), alone=False), report, limits
    )
    running = asyncio.create_task(presence.run())
    try:
        await until(service, bool)
        yield presence
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(service: InProcessService, condition: Callable[[list[ReplicaReport]], bool]) -> None:
    """Wait for what the store comes to say of the replicas."""
    async with asyncio.timeout(20):
        while not condition([replica.report for replica in await service.store.list_replicas()]):
            await asyncio.sleep(0.01)


def drains(reports: list[ReplicaReport]) -> bool:
    return [report.state for report in reports] == [ReplicaState.DRAINING]


async def test_a_replica_that_drains_begins_nothing_until_it_may_go_on(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service, present(service, drain_timeout_s=60) as presence:
        await service.store.ask_to_drain("one", drain=True)
        await until(service, drains)
        assert presence.draining
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        # The new job has woken the dispatcher, and the store writes in turn: a claim would be through by now.
        for _ in range(5):
            await service.store.list_replicas()
        assert (await service.store.get_job(TENANT, job.id)).state is State.QUEUED
        watching = asyncio.create_task(service.ended(job))

        await service.store.ask_to_drain("one", drain=False)
        assert (await watching).state is State.SUCCEEDED
        await until(service, lambda reports: not drains(reports))
        assert not presence.draining


async def test_what_runs_is_given_back_when_its_time_is_over(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    async with in_process_service(tmp_path, transcriber) as service, present(service, drain_timeout_s=0):
        transcriber.flowing.clear()
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async with asyncio.timeout(20):
            while (await service.store.get_job(TENANT, job.id)).state is not State.RUNNING:
                await asyncio.sleep(0.01)
        await service.store.ask_to_drain("one", drain=True)
        await until(service, lambda reports: drains(reports) and not service.dispatch.running)
        released = await service.store.get_job(TENANT, job.id)
        assert (released.state, released.stalled_attempts) == (State.QUEUED, 0)

        transcriber.flowing.set()
        await service.store.ask_to_drain("one", drain=False)
        assert (await service.ended(job)).state is State.SUCCEEDED


async def test_who_leaves_is_gone(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service, present(service, drain_timeout_s=0) as presence:
        await presence.leave()
        assert await service.store.list_replicas() == []
