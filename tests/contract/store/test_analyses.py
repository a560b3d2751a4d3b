"""What was found in a transcript is kept with its job, replaced by what a later run finds, and goes with it."""

from __future__ import annotations

import pytest

from batchscribe_server.domain.analysis import Analysis, Entity, EntityKind, Maker, Summary, SummaryPoint
from batchscribe_server.domain.errors import LeaseLostError, Reason
from batchscribe_server.domain.event import JobProgressed
from batchscribe_server.domain.job import Failure, JobStage, State
from batchscribe_server.domain.recognition import SummaryLength, SummaryStyle
from batchscribe_server.operations.run_store import Outcome
from batchscribe_server.operations.store import Store
from tests.contract.store.samples import (
    MEDIA,
    TENANT,
    check_history,
    claim_one,
    details,
    new_job,
    running_job,
    step,
    succeed,
)


def found(text: str) -> Analysis:
    points = (SummaryPoint(text, "Agent", 1_500), SummaryPoint(text))
    return Analysis(
        entities=(Entity(EntityKind.MONEY, "$40", 0, 0, 1_000, "Agent"),),
        summary=Summary(SummaryStyle.BULLETS, SummaryLength.LONG, Maker.LANGUAGE_MODEL, points),
        left_out=("nothing",),
        failure=text,
    )


async def test_what_was_found_is_read_back_and_its_stages_are_told(store: Store) -> None:
    claim = await running_job(store)
    await store.advance(claim, step(0))
    before = await store.get_job(TENANT, claim.job.id)
    assert await store.get_analysis(claim.job.id) is None
    await store.begin_analysis(claim)
    analyzing = await store.get_job(TENANT, claim.job.id)
    assert (before.stage, analyzing.stage) == (None, JobStage.ANALYZING)
    await store.end_analysis(claim, found("first"))
    writing = await store.get_job(TENANT, claim.job.id)
    assert (writing.stage, writing.sequence) == (JobStage.WRITING, before.sequence + 2)
    assert (await details(store, claim.job.name))[-1] == JobProgressed(1_000, MEDIA.duration_ms)
    assert await store.get_analysis(claim.job.id) == found("first")
    job = await succeed(store, claim)
    assert await store.get_analysis(job.id) == found("first")
    await check_history(store, job.name, job.sequence, job.history_start)


async def test_a_later_run_replaces_what_was_found_and_begins_without_a_stage(store: Store) -> None:
    claim = await running_job(store)
    await store.end_analysis(claim, found("first"))
    await store.release(claim)
    again = await claim_one(store)
    assert again.job.stage is None
    await store.end_analysis(again, found("second"))
    assert await store.get_analysis(claim.job.id) == found("second")
    await store.end_analysis(again, None)
    assert await store.get_analysis(claim.job.id) is None
    with pytest.raises(LeaseLostError):
        await store.begin_analysis(claim)
    with pytest.raises(LeaseLostError):
        await store.end_analysis(claim, found("late"))


async def test_it_goes_with_its_job_and_when_that_is_retried(store: Store) -> None:
    for end in ("delete", "retry"):
        claim = await running_job(store)
        await store.end_analysis(claim, found("first"))
        await store.finish(claim, Outcome(State.FAILED, error=Failure(Reason.OUTPUT_FAILED, "no room")))
        if end == "delete":
            await store.delete_job(TENANT, claim.job.id)
        else:
            assert (await store.retry_job(TENANT, claim.job.id)).stage is None
        assert await store.get_analysis(claim.job.id) is None
        if end == "delete":
            await store.create_job(new_job(claim.job.id))
            assert await store.get_analysis(claim.job.id) is None
            await store.cancel_job(TENANT, claim.job.id)
