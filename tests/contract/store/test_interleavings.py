"""Whatever happens in whatever order: counts equal a recount, sequences have no gaps, batches end with their files."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

import pytest

from batchscribe_server.domain.batch import Batch, Counts
from batchscribe_server.domain.errors import (
    BatchNotFoundError,
    JobNotFoundError,
    LeaseLostError,
    NothingToRetryError,
    NotTerminalError,
    Reason,
)
from batchscribe_server.domain.event import BatchJobChanged, BatchProgressed, StateChanged
from batchscribe_server.domain.job import Failure, State
from batchscribe_server.domain.transcript import MediaDescription
from batchscribe_server.operations.run_store import Advance, Claim, Outcome
from batchscribe_server.operations.store import BatchChanges, ListQuery, ScanChunk, Store
from tests.contract.store.samples import (
    TENANT,
    Clock,
    all_events,
    all_jobs,
    check_history,
    delete_batch,
    new_batch,
    new_job,
    recount,
    segment,
)

Item = TypeVar("Item")

STEPS = 100
REFUSALS = (JobNotFoundError, BatchNotFoundError, LeaseLostError, NothingToRetryError, NotTerminalError)
BROKEN = Failure(Reason.DECODE_FAILED, "It cannot be decoded.")


class Chaos:
    """A client, an operator and two dispatchers, none of whom knows of the others."""

    def __init__(self, store: Store, clock: Clock, seed: int) -> None:
        self.store = store
        self.clock = clock
        self.random = random.Random(seed)
        self.claims: list[Claim] = []
        self.batches: list[Batch] = []
        self.jobs: list[str] = []

    async def act(self) -> None:
        """Do one thing; being refused is part of the game."""
        actions = [self.create, self.scan, self.claim, self.run, self.run, self.finish, self.lose, self.meddle]
        action = self.random.choice(actions)
        try:
            await action()
        except REFUSALS:
            return

    async def create(self) -> None:
        batch = await self.store.create_batch(new_batch(priority=self.random.randrange(3)))
        self.batches.append(batch)

    async def scan(self) -> None:
        batch = self.one_of(self.batches)
        if self.random.random() < 0.3:
            await self.store.finish_scan(batch)
            return
        jobs = tuple(new_job(ordinal=ordinal) for ordinal in range(self.random.randrange(4)))
        added = await self.store.add_scanned(batch, ScanChunk(jobs, cursor=str(len(self.jobs))))
        if added.scan_cursor == str(len(self.jobs)):
            self.jobs += [job.id for job in jobs]

    async def claim(self) -> None:
        owner = self.random.choice(("one", "two"))
        self.claims += await self.store.claim(owner, self.random.randrange(1, 5), 30)

    async def run(self) -> None:
        claim = self.one_of(self.claims)
        job = await self.store.get_job(TENANT, claim.job.id)
        if job.media is None or self.random.random() < 0.1:
            await self.store.begin_hearing(claim)
            media = MediaDescription(duration_ms=self.random.choice((0, 5_000, 9_000)))
            await self.store.describe(claim, media, "base", "f")
            return
        heard = tuple(segment(job.segments + number) for number in range(self.random.randrange(3)))
        step = Advance(
            heard,
            media_segments_done=job.media_segments_done + len(heard),
            processed_ms=job.processed_ms + 1_000 * len(heard),
            progress_event=self.random.random() < 0.3,
        )
        await self.store.advance(claim, step)

    async def finish(self) -> None:
        claim = self.one_of(self.claims)
        state = self.random.choice((State.SUCCEEDED, State.SUCCEEDED, State.FAILED, State.CANCELLED))
        error = BROKEN if state is State.FAILED else None
        duration_ms = self.random.choice((0, 5_500))
        await self.store.finish(claim, Outcome(state, error=error, audio_duration_ms=duration_ms))

    async def lose(self) -> None:
        self.clock.advance(self.random.choice((0.1, 2, 40)))
        if self.random.random() < 0.3:
            await self.store.release(self.one_of(self.claims))
        else:
            await self.store.recover(2, exclusive_owner=self.random.random() < 0.3)

    async def meddle(self) -> None:
        store, batch = self.store, self.one_of(self.batches)
        match self.random.randrange(8):
            case 0:
                await store.cancel_job(TENANT, self.one_of(self.jobs))
            case 1 | 2:
                await store.retry_job(TENANT, self.one_of(self.jobs))
            case 3:
                await store.delete_job(TENANT, self.one_of(self.jobs))
            case 4:
                await store.cancel_batch(TENANT, batch.id)
            case 5:
                await store.retry_batch(TENANT, batch.id)
            case 6:
                await store.update_batch(TENANT, batch.id, BatchChanges(priority=self.random.randrange(3)))
            case _:
                if self.random.random() < 0.3:
                    await delete_batch(store, TENANT, batch.id)
                elif self.random.random() < 0.3:
                    await store.fail_batch(batch, BROKEN)

    def one_of(self, among: Sequence[Item]) -> Item:
        """One of them; where there is none yet, there is nothing to do."""
        if not among:
            raise NothingToRetryError("nothing there")
        return self.random.choice(among)


def by_state(counts: Counts) -> tuple[int, ...]:
    return (counts.queued, counts.running, counts.succeeded, counts.failed, counts.cancelled)


async def check_all(store: Store) -> None:
    """What must hold at any moment."""
    batches = (await store.list_batches(ListQuery(TENANT, 1000))).items
    for batch in batches:
        jobs = await all_jobs(store, batch.id)
        assert batch.counts == recount(jobs)
        assert 0 <= batch.counts.progress <= 1
        await check_history(store, batch.name, batch.sequence, batch.history_start)
        waiting = batch.counts.queued + batch.counts.running
        over = batch.scanned or batch.cancel_requested or batch.error is not None
        assert batch.state.terminal == (over and not waiting)
        events = [event for event in await all_events(store, batch.name) if event.sequence >= batch.history_start]
        told = [event.detail.state for event in events if isinstance(event.detail, StateChanged)]
        assert told[-1] is batch.state
        counted = [event.detail.counts for event in events if isinstance(event.detail, BatchProgressed)]
        changes = [event.detail for event in events if isinstance(event.detail, BatchJobChanged)]
        changed = {change.job_id: change.state for change in changes}
        for job in jobs:
            # A file that was not touched since the batch was reopened is told of in the history that went.
            assert changed.get(job.id, job.state) is job.state
        # Every change of a state is told at once; audio may lag by a second.
        for counts in counted[-1:]:
            assert by_state(counts) == by_state(batch.counts)
    for job in await all_jobs(store):
        await check_history(store, job.name, job.sequence, job.history_start)
        heard = [found async for found in store.read_segments(job.id)]
        assert [found.index for found in heard] == list(range(job.segments))
        details = [event.detail for event in await all_events(store, job.name)]
        states = [detail for detail in details if isinstance(detail, StateChanged)]
        assert (states[-1].state, states[-1].error) == (job.state, job.error)


@pytest.mark.parametrize("seed", range(4))
async def test_the_laws_hold_whatever_happens(store: Store, clock: Clock, seed: int) -> None:
    chaos = Chaos(store, clock, seed)
    for number in range(STEPS):
        await chaos.act()
        if number % 25 == 24:
            await check_all(store)
