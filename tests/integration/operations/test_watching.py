"""Watches: snapshot, history, live events, resuming, heartbeats, the end; and what a crowd of them costs."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from batchscribe_server.domain.batch import SingleInput
from batchscribe_server.domain.errors import DrainingError, HistoryPurgedError, JobNotFoundError, SequenceAheadError
from batchscribe_server.domain.event import BatchProgressed, Event, JobProgressed, SegmentHeard, StateChanged
from batchscribe_server.domain.job import State
from batchscribe_server.operations.store import BatchChanges, ListQuery
from batchscribe_server.operations.submit import NewBatch, NewJob
from batchscribe_server.operations.transcriber import MediaSummary, Transcription, TranscriptionRequest
from batchscribe_server.operations.watch import Heartbeat, Snapshot, Watch, WatchLimits, WatchMessage
from tests.in_process_service import PATIENCE_S, TENANT, InProcessService, in_process_service
from tests.scripted_engine import Script, ScriptedTranscriber

TEXTS = tuple(f"segment {k}" for k in range(20))


async def collect(watch: AsyncGenerator[WatchMessage]) -> list[WatchMessage]:
    async with asyncio.timeout(PATIENCE_S):
        return [message async for message in watch]


def segment_indexes(messages: list[WatchMessage]) -> list[int]:
    return [m.detail.segment.index for m in messages if isinstance(m, Event) and isinstance(m.detail, SegmentHeard)]


async def finished_job(service: InProcessService) -> str:
    return (await service.ended(await service.submit.job(TENANT, NewJob(service.audio("a.wav"))))).id


async def test_live_late_and_resumed_watchers_see_the_same(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber(lambda _: Script(texts=TEXTS))
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        live = asyncio.create_task(collect(service.watch.job(TENANT, job.id, after=None, include_segments=True)))
        async with asyncio.timeout(10):
            await transcriber.started.wait()
        transcriber.flowing.set()
        seen_live = await live
        late = await collect(service.watch.job(TENANT, job.id, after=None, include_segments=True))
        assert isinstance(seen_live[0], Snapshot)
        for seen in (seen_live, late):
            assert segment_indexes(seen) == list(range(len(TEXTS)))
            sequences = [message.sequence for message in seen if isinstance(message, Event)]
            assert sequences == sorted(set(sequences))
            last = seen[-1]
            assert isinstance(last, Event)
            assert isinstance(last.detail, StateChanged)
            assert last.detail.state is State.SUCCEEDED
        for cut in range(1, len(late)):
            rest = await collect(service.watch.job(TENANT, job.id, after=late[cut].sequence, include_segments=True))
            assert segment_indexes(late[: cut + 1]) + segment_indexes(rest) == list(range(len(TEXTS)))


async def test_segments_are_left_out_when_not_wanted(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job_id = await finished_job(service)
        seen = await collect(service.watch.job(TENANT, job_id, after=None, include_segments=False))
        assert segment_indexes(seen) == []
        assert len(seen) > 2


async def test_an_idle_watch_beats(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        async with asyncio.timeout(PATIENCE_S):
            last = 0
            async for message in service.watch.job(TENANT, job.id, after=None, include_segments=True):
                if isinstance(message, Heartbeat):
                    assert message.sequence == last
                    break
                last = message.sequence


async def test_a_hundred_watchers_cost_one_read_of_each_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    transcriber = ScriptedTranscriber(lambda _: Script(texts=TEXTS))
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        read_events, rows = service.store.read_events, 0

        async def counting(resource: str, after: int, limit: int) -> object:
            nonlocal rows
            events = await read_events(resource, after, limit)
            rows += len(events)
            return events

        monkeypatch.setattr(service.store, "read_events", counting)
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        crowd = [
            asyncio.create_task(collect(service.watch.job(TENANT, job.id, after=None, include_segments=True)))
            for _ in range(100)
        ]
        async with asyncio.timeout(10):
            await transcriber.started.wait()
        transcriber.flowing.set()
        for seen in await asyncio.gather(*crowd):
            assert segment_indexes(seen) == list(range(len(TEXTS)))
        assert rows == (await service.store.get_job(TENANT, job.id)).sequence


async def test_a_watcher_that_stops_reading_holds_up_nobody(tmp_path: Path) -> None:
    async with in_process_service(tmp_path, ScriptedTranscriber(lambda _: Script(texts=TEXTS))) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        stuck = service.watch.job(TENANT, job.id, after=None, include_segments=True)
        assert isinstance(await anext(stuck), Snapshot)
        assert (await service.ended(job)).state is State.SUCCEEDED
        assert segment_indexes(await collect(stuck)) == list(range(len(TEXTS)))


async def test_purged_history_is_said_and_a_fresh_watch_begins_at_what_is_left(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job_id = await finished_job(service)
        assert await service.store.purge_history(older_than_s=0, limit=1_000) > 0
        with pytest.raises(HistoryPurgedError):
            await collect(service.watch.job(TENANT, job_id, after=0, include_segments=True))
        seen = await collect(service.watch.job(TENANT, job_id, after=None, include_segments=True))
        assert isinstance(seen[0], Snapshot)
        assert seen[0].resource.state is State.SUCCEEDED


async def test_bad_positions_and_names_are_refused(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        job_id = await finished_job(service)
        with pytest.raises(SequenceAheadError):
            await collect(service.watch.job(TENANT, job_id, after=1_000, include_segments=True))
        with pytest.raises(JobNotFoundError):
            await collect(service.watch.job(TENANT, "nobody", after=None, include_segments=True))
        with pytest.raises(JobNotFoundError):
            await collect(service.watch.job("another-tenant", job_id, after=None, include_segments=True))


async def test_deleting_a_watched_job_ends_its_watch(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        watch = service.watch.job(TENANT, job.id, after=None, include_segments=True)
        await anext(watch)
        await service.store.delete_job(TENANT, job.id)
        with pytest.raises(JobNotFoundError):
            await collect(watch)


async def test_draining_ends_a_watch_with_a_reason(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        watch = service.watch.job(TENANT, job.id, after=None, include_segments=True)
        await anext(watch)
        service.watch.drain()
        with pytest.raises(DrainingError):
            await collect(watch)


async def test_a_retried_job_is_watched_to_its_new_end(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        await service.store.cancel_job(TENANT, job.id)
        assert (await service.ended(job)).state is State.CANCELLED
        transcriber.flowing.set()
        await service.store.retry_job(TENANT, job.id)
        assert (await service.ended(job)).state is State.SUCCEEDED
        watch = Watch(service.store, service.wakeups, lambda: job.create_time, WatchLimits())
        seen = await collect(watch.job(TENANT, job.id, after=None, include_segments=True))
        assert segment_indexes(seen) == [0, 1, 2]


async def test_the_watch_of_a_batch_that_was_renamed_after_its_end_ends(tmp_path: Path) -> None:
    async with in_process_service(tmp_path) as service:
        batch = await service.submit.batch(TENANT, NewBatch(SingleInput(service.audio("a.wav"))))
        ended = await service.batch_ended(batch)
        renamed = await service.store.update_batch(TENANT, batch.id, BatchChanges(display_name="done"))
        assert renamed.sequence > ended.sequence
        for after in (None, ended.sequence - 1, ended.sequence, renamed.sequence):
            seen = await collect(service.watch.batch(TENANT, batch.id, after=after))
            assert [message.sequence for message in seen][-1] == renamed.sequence


async def test_a_deletion_is_told_at_once(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        patient = WatchLimits(heartbeat_s=3_600, poll_s=3_600)
        watch = Watch(service.store, service.wakeups, lambda: job.create_time, patient)
        watching = watch.job(TENANT, job.id, after=None, include_segments=True)
        async with asyncio.timeout(PATIENCE_S):
            await transcriber.started.wait()
            running = await service.store.get_job(TENANT, job.id)
            while (await anext(watching)).sequence < running.sequence:
                pass
        rest = asyncio.create_task(collect(watching))
        await asyncio.sleep(0)
        await service.store.delete_job(TENANT, job.id)
        with pytest.raises(JobNotFoundError):
            await rest


async def test_a_deletion_while_events_are_read_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        await transcriber.started.wait()
        read_events = service.store.read_events

        async def and_then_it_is_deleted(resource: str, after: int, limit: int) -> Sequence[Event]:
            events = await read_events(resource, after, limit)
            if events:
                await service.store.delete_job(TENANT, job.id)
            return events

        monkeypatch.setattr(service.store, "read_events", and_then_it_is_deleted)
        patient = WatchLimits(heartbeat_s=3_600, poll_s=3_600)
        watch = Watch(service.store, service.wakeups, lambda: job.create_time, patient)
        with pytest.raises(JobNotFoundError):
            async with asyncio.timeout(PATIENCE_S):
                await collect(watch.job(TENANT, job.id, after=None, include_segments=True))


async def test_a_watcher_whose_events_went_while_it_lagged_is_told_so(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber()
    transcriber.flowing.clear()
    async with in_process_service(tmp_path, transcriber) as service:
        job = await service.submit.job(TENANT, NewJob(service.audio("a.wav")))
        lagging = service.watch.job(TENANT, job.id, after=None, include_segments=True)
        assert isinstance(await anext(lagging), Snapshot)
        await service.store.cancel_job(TENANT, job.id)
        assert (await service.ended(job)).state is State.CANCELLED
        await service.store.retry_job(TENANT, job.id)
        with pytest.raises(HistoryPurgedError):
            await collect(lagging)


async def test_a_new_job_of_a_deleted_jobs_name_has_its_own_events(tmp_path: Path) -> None:
    transcriber = ScriptedTranscriber(lambda _: Script(texts=TEXTS))
    async with in_process_service(tmp_path, transcriber) as service:
        old = await service.submit.job(TENANT, NewJob(service.audio("a.wav")), job_id="mine")
        stuck = service.watch.job(TENANT, "mine", after=None, include_segments=True)
        assert isinstance(await anext(stuck), Snapshot)
        assert isinstance(await anext(stuck), Event)
        await service.ended(old)
        await service.store.delete_job(TENANT, "mine")
        transcriber.script_for = lambda _: Script(texts=("something else",))
        new = await service.submit.job(TENANT, NewJob(service.audio("a.wav")), job_id="mine")
        seen = await collect(service.watch.job(TENANT, new.id, after=None, include_segments=True))
        assert segment_indexes(seen) == [0]
        await stuck.aclose()


class BurstThenSilence(ScriptedTranscriber):
    """Gives all segments at once, and its end only when it may."""

    def __init__(self) -> None:
        super().__init__(lambda _: Script(texts=("one", "two", "three")))
        self.may_end = asyncio.Event()

    async def transcribe(self, request: TranscriptionRequest) -> AsyncGenerator[Transcription]:
        async with aclosing(super().transcribe(request)) as items:
            async for item in items:
                if isinstance(item, MediaSummary):
                    await self.may_end.wait()
                yield item


async def test_what_a_burst_of_results_has_done_is_told_though_nothing_follows(tmp_path: Path) -> None:
    transcriber = BurstThenSilence()
    async with in_process_service(tmp_path, transcriber) as service, asyncio.timeout(PATIENCE_S):
        new = NewBatch(SingleInput(service.audio("a.wav")))
        batch = await service.submit.batch(TENANT, new)
        told_done_ms = 0
        async for message in service.watch.batch(TENANT, batch.id, after=None):
            if isinstance(message, Event) and isinstance(message.detail, BatchProgressed):
                told_done_ms = message.detail.counts.audio_done_ms
            if told_done_ms == 5_000:
                break
        (job,) = (await service.store.list_jobs(ListQuery(TENANT, 10, batch_id=batch.id))).items
        assert job.state is State.RUNNING
        async for message in service.watch.job(TENANT, job.id, after=None, include_segments=False):
            if isinstance(message, Event) and isinstance(message.detail, JobProgressed):
                told_done_ms = message.detail.processed_ms
                if told_done_ms == 5_000:
                    break
        transcriber.may_end.set()
        assert (await service.batch_ended(batch)).counts.progress == 1.0
        assert [segment.text async for segment in service.store.read_segments(job.id)] == ["one", "two", "three"]
