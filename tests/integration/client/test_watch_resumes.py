"""A watch through broken connections: no event is missing, none comes twice."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import grpc
import pytest
import structlog

from batchscribe import AsyncClient, HistoryPurgedError, JobNotFoundError, UnavailableError, WaitTimeoutError
from batchscribe.errors import BatchscribeError
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.event_pb2 import BatchEvent, BatchJobChange, BatchProgress, JobEvent, StateChange
from batchscribe.v1.job_pb2 import Job
from batchscribe.v1.state_pb2 import STATE_FAILED, STATE_RUNNING, STATE_SUCCEEDED
from batchscribe.v1.storage_pb2 import InputConfig
from tests.integration.client.scripted_service import RST, Break, Script, fail, heartbeat, job_history, serving
from tests.rpc_server import served


async def sequences(client: AsyncClient, after_sequence: int | None = None) -> list[int]:
    events = client.watch_job("jobs/1", after_sequence=after_sequence)
    return [event.sequence async for event in events if not event.HasField("snapshot")]


async def test_an_unbroken_watch_gives_a_snapshot_and_every_event(client: AsyncClient, script: Script) -> None:
    kinds = [event.WhichOneof("event") async for event in client.watch_job("jobs/1")]
    assert kinds == ["snapshot", "state_change", "segment", "progress", "segment", "progress", "state_change"]
    assert script.watched_after() == [None]


@pytest.mark.parametrize(
    "broken",
    [
        Break(3),
        Break(3, *RST),
        Break(3, grpc.StatusCode.CANCELLED, "Received RST_STREAM with error code 8"),
        Break(3, None),
    ],
    ids=["unavailable", "reset by a proxy", "stream cancelled by a proxy", "ended early without an error"],
)
async def test_a_broken_watch_resumes_after_the_last_event(client: AsyncClient, script: Script, broken: Break) -> None:
    script.breaks = [broken]
    assert await sequences(client) == [1, 2, 3, 4, 5, 6]
    assert script.watched_after() == [None, 3]


async def test_many_breaks_lose_and_repeat_nothing(client: AsyncClient, script: Script) -> None:
    script.history = job_history(segments=8)
    script.breaks = [Break(1), Break(0), Break(5, *RST), Break(2)]
    assert await sequences(client) == list(range(1, 19))
    assert script.watched_after() == [None, 1, 1, 6, 8]


async def test_the_snapshot_comes_once(client: AsyncClient, script: Script) -> None:
    script.breaks = [Break(2), Break(0)]
    kinds = [event.WhichOneof("event") async for event in client.watch_job("jobs/1")]
    assert kinds.count("snapshot") == 1


async def test_a_break_before_the_first_event_resumes_from_the_beginning(client: AsyncClient, script: Script) -> None:
    script.breaks = [Break(0)]
    assert await sequences(client) == [1, 2, 3, 4, 5, 6]
    assert script.watched_after() == [None, None]


async def test_events_that_a_server_repeats_are_dropped(client: AsyncClient, script: Script) -> None:
    events = job_history()
    script.history = [*events[:3], events[2], *events[1:]]
    assert await sequences(client) == [1, 2, 3, 4, 5, 6]


async def test_a_heartbeat_moves_the_place_to_resume_from(client: AsyncClient, script: Script) -> None:
    events = job_history()
    script.history = [events[0], heartbeat(4), *events[4:]]
    script.breaks = [Break(2)]
    assert await sequences(client) == [1, 4, 5, 6]
    assert script.watched_after() == [None, 4]


async def test_a_watch_begins_where_it_is_told(client: AsyncClient, script: Script) -> None:
    assert await sequences(client, after_sequence=4) == [5, 6]
    assert script.watched_after() == [4]


async def test_the_watcher_is_told_of_breaks(client: AsyncClient, script: Script) -> None:
    told: list[BatchscribeError] = []
    script.breaks = [Break(2)]
    async for _ in client.watch_job("jobs/1", on_reconnect=told.append):
        pass
    assert [error.reason for error in told] == ["UNAVAILABLE"]


async def test_a_server_that_is_replaced_is_found_again() -> None:
    release = threading.Event()
    first = Script(history=job_history()[:3], hold_open=lambda: release.wait(10))
    second = Script()
    seen: list[int] = []
    with serving(first) as address:
        client = AsyncClient(address, reconnect_s=10)
        events = client.watch_job("jobs/1")
        while len(seen) < 3:
            event = await anext(events)
            if not event.HasField("snapshot"):
                seen.append(event.sequence)
        release.set()
    with serving(second, address):
        async with asyncio.timeout(10), client:
            seen += [event.sequence async for event in events]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert second.watched_after() == [3]


async def test_it_gives_up_when_nothing_is_heard_for_too_long(address: str, script: Script) -> None:
    script.history = job_history()[:2]
    script.breaks = [Break(2)]
    script.refuse("WatchJob", lambda _: None, *[lambda c: c.abort(grpc.StatusCode.UNAVAILABLE, "down")] * 20)
    async with AsyncClient(address, reconnect_s=0.5) as client:
        with pytest.raises(UnavailableError, match="down"):
            await sequences(client)


async def test_an_end_that_was_heard_is_an_end_even_when_the_stream_breaks(address: str, script: Script) -> None:
    script.breaks = [Break(6)]
    script.refuse("WatchJob", lambda _: None, *[lambda c: c.abort(grpc.StatusCode.UNAVAILABLE, "down")] * 20)
    async with AsyncClient(address, reconnect_s=0.5) as client:
        assert await sequences(client) == [1, 2, 3, 4, 5, 6]


async def test_a_server_that_was_never_there_is_given_up_after_the_retry_time() -> None:
    async with AsyncClient("127.0.0.1:1", retry_s=0.3, reconnect_s=60) as client, asyncio.timeout(5):
        with pytest.raises(UnavailableError):
            await sequences(client)


async def test_purged_history_is_not_resumed_with_a_gap(client: AsyncClient, script: Script) -> None:
    script.breaks = [Break(2)]
    script.refuse("WatchJob", lambda _: None, lambda c: fail(c, grpc.StatusCode.OUT_OF_RANGE, "HISTORY_PURGED"))
    with pytest.raises(HistoryPurgedError):
        await sequences(client)


async def test_a_job_that_is_not_there_is_an_error_at_once(client: AsyncClient, script: Script) -> None:
    script.refuse("WatchJob", lambda c: fail(c, grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND"))
    with pytest.raises(JobNotFoundError):
        await sequences(client)
    assert len(script.heard["WatchJob"]) == 1


async def test_segments_can_be_left_out(client: AsyncClient, script: Script) -> None:
    async for _ in client.watch_job("jobs/1", include_segments=False):
        pass
    assert script.heard["WatchJob"][0].include_segments is False


def batch_history() -> list[BatchEvent]:
    events = [
        BatchEvent(state_change=StateChange(state=STATE_RUNNING)),
        BatchEvent(job_change=BatchJobChange(job="jobs/1", input_uri="file:///a.wav", state=STATE_SUCCEEDED)),
        BatchEvent(job_change=BatchJobChange(job="jobs/2", input_uri="file:///b.wav", state=STATE_FAILED)),
        BatchEvent(progress=BatchProgress(progress=1.0)),
        BatchEvent(state_change=StateChange(state=STATE_SUCCEEDED)),
    ]
    for number, event in enumerate(events, start=1):
        event.sequence = number
    return events


async def test_a_batch_is_watched_the_same_way(client: AsyncClient, script: Script) -> None:
    script.batch_history = batch_history()
    script.breaks = [Break(2)]
    events = [event async for event in client.watch("batches/1")]
    assert all(isinstance(event, BatchEvent) for event in events)
    assert [event.sequence for event in events[1:]] == [1, 2, 3, 4, 5]
    assert script.watched_after("WatchBatch") == [None, 2]


async def test_waiting_gives_the_resource_that_ended(client: AsyncClient, script: Script) -> None:
    script.batch_history = batch_history()
    assert (await client.wait_for_completion("jobs/1")).state == STATE_SUCCEEDED
    assert isinstance(await client.wait_for_completion("batches/1"), Batch)


async def test_waiting_has_an_end(client: AsyncClient, script: Script) -> None:
    release = threading.Event()
    script.history = job_history()[:2]
    script.hold_open = lambda: release.wait(10)
    with pytest.raises(WaitTimeoutError) as error:
        await client.wait_for_completion("jobs/1", timeout_s=0.2)
    release.set()
    assert error.value.name == "jobs/1"


async def test_a_watch_can_be_left_at_any_time(client: AsyncClient) -> None:
    events = client.watch_job("jobs/1")
    first: JobEvent = await anext(events)
    await events.aclose()
    assert first.HasField("snapshot")


async def test_a_watch_that_is_left_leaves_no_call_behind(tmp_path: Path) -> None:
    async with served(tmp_path) as server, AsyncClient(server.address) as client, asyncio.timeout(10):
        server.service.transcriber.flowing.clear()
        job = await client.create_job(Job(input=InputConfig(uri=server.service.audio("call.wav"))))
        gc.disable()
        try:
            with structlog.testing.capture_logs() as logs:
                events = client.watch_job(job.name)
                assert (await anext(events)).HasField("snapshot")
                await events.aclose()
                while not any(str(entry.get("method", "")).endswith("WatchJob") for entry in logs):
                    await client.get_job(job.name)
        finally:
            gc.enable()
