"""What the store's tests are made of: jobs, batches, a clock, and what must always hold."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from batchscribe_server.domain.batch import Batch, Counts, PrefixInput
from batchscribe_server.domain.event import Event
from batchscribe_server.domain.job import DEFAULT_TENANT, Job, State
from batchscribe_server.domain.transcript import MediaDescription, Segment, Word
from batchscribe_server.operations.run_store import Advance, Claim, Outcome
from batchscribe_server.operations.store import ListQuery, ScanChunk, Store

TENANT = DEFAULT_TENANT
LEASE_S = 30.0
SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)
MEDIA = MediaDescription(container="wav", codec="pcm_s16le", sample_rate_hz=16_000, channels=1, duration_ms=10_000)

_numbers = itertools.count(1)


class Clock:
    """A clock that moves by a microsecond at each look, and further when told."""

    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)


def new_job(job_id: str = "", **fields: Any) -> Job:
    """A job as the operations hand it to the store."""
    job_id = job_id or f"job-{next(_numbers):06}"
    uri = f"file:///in/{job_id}.wav"
    known: dict[str, Any] = {"input_uri": uri, "create_time": SOME_TIME, "update_time": SOME_TIME}
    return Job(id=job_id, **(known | fields))


def new_batch(batch_id: str = "", **fields: Any) -> Batch:
    """A batch as the operations hand it to the store."""
    batch_id = batch_id or f"batch-{next(_numbers):06}"
    known: dict[str, Any] = {"input": PrefixInput("file:///in/"), "create_time": SOME_TIME, "update_time": SOME_TIME}
    return Batch(id=batch_id, **(known | fields))


def segment(index: int, text: str = "hello") -> Segment:
    """A second of speech."""
    start_ms = index * 1000
    words = (Word(text, start_ms, start_ms + 500, 0.9),)
    return Segment(index, start_ms, start_ms + 1000, text, language="en", confidence=0.8, words=words)


def step(index: int, **fields: Any) -> Advance:
    """The results of one speech segment, which became one segment of the transcript."""
    fields = {"media_segments_done": index + 1, "processed_ms": (index + 1) * 1000} | fields
    return Advance(segments=(segment(index),), **fields)


async def scanned_batch(store: Store, files: int, **fields: Any) -> tuple[Batch, list[Job]]:
    """A batch whose scan found so many files and is over."""
    batch = await store.create_batch(new_batch(**fields))
    jobs = [new_job(ordinal=ordinal, config=batch.config) for ordinal in range(files)]
    await store.add_scanned(batch, ScanChunk(tuple(jobs), cursor="end"))
    return await store.finish_scan(batch), [await store.get_job(batch.tenant, job.id) for job in jobs]


async def claim_all(store: Store, owner: str = "one") -> list[Claim]:
    """Take whatever is queued."""
    return list(await store.claim(owner, 1000, LEASE_S))


async def claim_one(store: Store, owner: str = "one") -> Claim:
    """Take one job; there must be one."""
    (claim,) = await store.claim(owner, 1, LEASE_S)
    return claim


async def running_job(store: Store, **fields: Any) -> Claim:
    """A job of no batch that is heard, opened."""
    await store.create_job(new_job(**fields))
    claim = await claim_one(store)
    await store.begin_hearing(claim)
    await store.describe(claim, MEDIA, "base", "fingerprint")
    return claim


async def delete_batch(store: Store, tenant: str, batch_id: str, etag: str = "") -> None:
    """Delete a batch, its outputs excepted."""
    await store.remove_batch(await store.begin_delete_batch(tenant, batch_id, etag))


async def succeed(store: Store, claim: Claim, duration_ms: int = 10_000) -> Job:
    """End a run well."""
    return await store.finish(claim, Outcome(State.SUCCEEDED, audio_duration_ms=duration_ms))


async def all_events(store: Store, resource: str) -> Sequence[Event]:
    """Everything that is kept of a resource, read in small pages."""
    events: list[Event] = []
    while page := await store.read_events(resource, events[-1].sequence if events else 0, 7):
        events += page
    return events


async def details(store: Store, resource: str) -> list[Any]:
    """What happened to a resource, without when."""
    return [event.detail for event in await all_events(store, resource)]


async def all_jobs(store: Store, batch_id: str | None = None, tenant: str = TENANT) -> list[Job]:
    """Every job, oldest first, read in small pages."""
    jobs: list[Job] = []
    token = ""
    while True:
        page = await store.list_jobs(ListQuery(tenant, 7, token, batch_id=batch_id, oldest_first=True))
        jobs += page.items
        token = page.next_page_token
        if not token:
            return jobs


def recount(jobs: Sequence[Job]) -> Counts:
    """A batch's counts, by their definition."""

    def of(state: State) -> int:
        return sum(job.state is state for job in jobs)

    known = [job for job in jobs if job.audio_duration_ms]
    ended = (State.SUCCEEDED, State.FAILED)  # of a cancelled file it is what was transcribed
    return Counts(
        total=len(jobs),
        queued=of(State.QUEUED),
        running=of(State.RUNNING),
        succeeded=of(State.SUCCEEDED),
        failed=of(State.FAILED),
        cancelled=of(State.CANCELLED),
        opened=len(known),
        audio_total_ms=sum(job.audio_duration_ms for job in known),
        audio_done_ms=sum(
            job.audio_duration_ms if job.state in ended else min(job.processed_ms, job.audio_duration_ms)
            for job in known
        ),
    )


async def check_history(store: Store, resource: str, sequence: int, history_start: int) -> None:
    """Sequences run without gaps from the first event kept to the resource's own."""
    kept = [event.sequence for event in await all_events(store, resource) if event.sequence >= history_start]
    assert kept == list(range(history_start, sequence + 1)), resource
