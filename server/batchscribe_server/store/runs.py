"""The running of jobs in SQL: claims, leases and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, or_, select, update

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.errors import LeaseLostError, Reason
from batchscribe_server.domain.event import JobProgressed, SegmentHeard
from batchscribe_server.domain.job import Failure, Job, JobStage, State, Waiting
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.domain.transcript import MediaDescription
from batchscribe_server.operations.run_store import NO_LOAD, Advance, Claim, LeaseReport, Outcome, ServerLoad
from batchscribe_server.operations.wakeups import QUEUE
from batchscribe_server.store import tables
from batchscribe_server.store.analyses import keep_analysis
from batchscribe_server.store.database import Database
from batchscribe_server.store.job_configs import jobs_from_rows
from batchscribe_server.store.ledger import Ledger
from batchscribe_server.store.queue import put_back_in_line, take_queued

Result = TypeVar("Result")

CHUNK_RECOVERED = 200
"""Jobs that one transaction recovers at most."""

_jobs = tables.jobs.c

_CLAIMED = select(_jobs.token, _jobs.state).where(_jobs.id == bindparam("job_id"))


class SqlRunStore:
    """The RunStore. A claim's token is a number that each claim of the job raises by one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, owner: str, limit: int, lease_s: float, reserved: int = 0, load: ServerLoad = NO_LOAD
    ) -> Sequence[Claim]:
        """Take queued jobs. When jobs of a cancelled batch are among them fewer come, and QUEUE is woken again."""
        step = partial(_claim, owner=owner, limit=limit, lease_s=lease_s, reserved=reserved, load=load)
        return await self._database.write(step)

    async def renew(self, owner: str, lease_s: float, job_ids: Sequence[str]) -> LeaseReport:
        """Prolong leases."""
        return await self._database.write_step("", partial(_renew, owner=owner, lease_s=lease_s, job_ids=job_ids))

    async def begin_hearing(self, claim: Claim) -> None:
        """Count an attempt that has got nowhere yet."""
        await self._step(_begin_hearing, claim)

    async def check_claim(self, claim: Claim) -> None:
        """Look whether a claim still stands."""
        await self._database.read(partial(_check_claim, claim=claim))

    async def claim_output(self, claim: Claim, key: str) -> bool:
        """Have a place of outputs."""
        return await self._step(_claim_output, claim, key=key)

    async def inputs_among(self, batch_id: str, uris: Sequence[str]) -> Sequence[str]:
        """Look which URIs are inputs."""
        found = select(_jobs.input_uri).where(_jobs.input_uri.in_(uris), _jobs.batch_id == batch_id).limit(1)
        return await self._database.read(lambda connection: connection.execute(found).scalars().all())

    async def describe(self, claim: Claim, media: MediaDescription, model: str, fingerprint: str) -> None:
        """Store what the file turned out to be."""
        await self._step(_describe, claim, media=media, model=model, fingerprint=fingerprint)

    async def advance(self, claim: Claim, step: Advance) -> None:
        """Store results."""
        await self._step(_advance, claim, step=step)

    async def tell_speakers(self, claim: Claim, turns: Sequence[SpeakerTurn]) -> None:
        """Store who speaks when."""
        await self._step(_tell_speakers, claim, turns=turns)

    async def begin_analysis(self, claim: Claim) -> None:
        """Say that the transcript is being analysed."""
        await self._step(_begin_analysis, claim)

    async def end_analysis(self, claim: Claim, analysis: Analysis | None) -> None:
        """Store what was found."""
        await self._step(_end_analysis, claim, analysis=analysis)

    async def finish(self, claim: Claim, outcome: Outcome) -> Job:
        """End a run."""
        return await self._step(_finish, claim, outcome=outcome)

    async def release(self, claim: Claim) -> None:
        """Give a job back."""
        await self._step(_release, claim)

    async def put_off(self, claim: Claim, waiting: Waiting, pause_s: float) -> None:
        """Let a job wait for its store."""
        await self._step(_put_off, claim, waiting=waiting, pause_s=pause_s)

    async def _step(self, operation: Callable[..., Result], claim: Claim, **fields: Any) -> Result:
        return await self._database.write_step(claim.job.id, partial(operation, claim=claim, **fields))

    async def recover(self, max_stalled_attempts: int, *, exclusive_owner: bool) -> int:
        """Queue what nobody runs any more; each job once, also where it is claimed again meanwhile."""
        step = partial(_recover, max_stalled_attempts=max_stalled_attempts, exclusive_owner=exclusive_owner)
        recovered, last_id = 0, ""
        while found := await self._database.write(partial(step, after_id=last_id)):
            recovered += len(found)
            last_id = found[-1]
        return recovered


def _claim(ledger: Ledger, owner: str, limit: int, lease_s: float, reserved: int, load: ServerLoad) -> Sequence[Claim]:
    put_back_in_line(ledger)
    rows = take_queued(ledger, limit, reserved, load)
    tokens = {row["id"]: row["token"] + 1 for row in rows}
    jobs = jobs_from_rows(ledger.connection, rows)
    # Locked in order of their ids, so that two claims never wait for each other crosswise.
    batches = {batch_id: ledger.batch(batch_id) for batch_id in sorted({job.batch_id for job in jobs if job.batch_id})}
    claims = []
    for job in jobs:
        if job.batch_id and batches[job.batch_id].stopping:
            # Left behind where a cancellation was cut off: it ends here.
            ledger.change_job(job, state=State.CANCELLED)
            ledger.topics.add(QUEUE)
            continue
        token = tokens[job.id]
        running = ledger.change_job(
            job,
            lease={
                "token": token,
                "lease_owner": owner,
                "lease_expire_time": ledger.now + timedelta(seconds=lease_s),
            },
            state=State.RUNNING,
            stage=JobStage.WRITING if job.waiting is not None and job.waiting.transcribed is not None else None,
            attempt=job.attempt + 1,
            start_time=job.start_time or ledger.time_after(job.update_time),
        )
        claims.append(Claim(running, token, (ledger.now - job.update_time).total_seconds()))
    return claims


def _renew(ledger: Ledger, owner: str, lease_s: float, job_ids: Sequence[str]) -> LeaseReport:
    held = (_jobs.id.in_(job_ids), _jobs.lease_owner == owner, _jobs.state == State.RUNNING)
    rows = ledger.connection.execute(
        select(_jobs.id, _jobs.cancel_requested, _jobs.priority).where(*held).order_by(_jobs.id).with_for_update()
    ).all()
    prolonged = update(tables.jobs).where(_jobs.id.in_([row.id for row in rows]))
    ledger.connection.execute(prolonged.values(lease_expire_time=ledger.now + timedelta(seconds=lease_s)))
    return LeaseReport(
        lost=frozenset(job_ids) - {row.id for row in rows},
        cancel_requested=frozenset(row.id for row in rows if row.cancel_requested),
        priorities={row.id: row.priority for row in rows},
    )


def _held(ledger: Ledger, claim: Claim) -> Job:
    """The job as it is now, if the claim still stands."""
    found = ledger.find_job(claim.job.id)
    if found is None or found[1] != claim.token or found[0].state is not State.RUNNING:
        raise _lost(claim)
    return found[0]


def _begin_hearing(ledger: Ledger, claim: Claim) -> None:
    job = _held(ledger, claim)
    ledger.change_job(job, stalled_attempts=job.stalled_attempts + 1)


def _check_claim(connection: Connection, claim: Claim) -> None:
    found = connection.execute(_CLAIMED, {"job_id": claim.job.id}).one_or_none()
    if found is None or found.token != claim.token or found.state is not State.RUNNING:
        raise _lost(claim)


def _lost(claim: Claim) -> LeaseLostError:
    return LeaseLostError(f"{claim.job.name} is no longer run under token {claim.token}")


def _claim_output(ledger: Ledger, claim: Claim, key: str) -> bool:
    job = _held(ledger, claim)
    ledger.batch(job.batch_id)  # locked: nobody else has it in between
    taken = select(_jobs.id).where(_jobs.batch_id == job.batch_id, _jobs.output_key == key, _jobs.id != job.id)
    if ledger.connection.execute(taken.limit(1)).first() is not None:
        return False
    ledger.change_job(job, output_key=key)
    ledger.flush()
    return True


def _describe(ledger: Ledger, claim: Claim, media: MediaDescription, model: str, fingerprint: str) -> None:
    job = _held(ledger, claim)
    ledger.change_job(
        job,
        JobProgressed(job.processed_ms, media.duration_ms),
        media=media,
        model=model,
        input_fingerprint=fingerprint,
        audio_duration_ms=media.duration_ms,
        **({} if job.waiting is None else {"waiting": None}),
    )


def _advance(ledger: Ledger, claim: Claim, step: Advance) -> None:
    job = _held(ledger, claim)
    if [segment.index for segment in step.segments] != list(range(job.segments, job.segments + len(step.segments))):
        raise ValueError(f"segments must continue the transcript of {job.name} at {job.segments}")
    if step.media_segments_done < job.media_segments_done:
        raise ValueError(f"{job.name} has {job.media_segments_done} speech segments done already")
    processed_ms = max(job.processed_ms, step.processed_ms)
    further = step.media_segments_done > job.media_segments_done or processed_ms > job.processed_ms
    heard = [SegmentHeard(segment) for segment in step.segments]
    progressed = [JobProgressed(processed_ms, job.audio_duration_ms)] if step.progress_event else []
    ledger.add_segments(job, step.segments)
    ledger.change_job(
        job,
        *heard,
        *progressed,
        segments=job.segments + len(step.segments),
        media_segments_done=step.media_segments_done,
        processed_ms=processed_ms,
        detected_language=step.detected_language or job.detected_language,
        stalled_attempts=0 if further else job.stalled_attempts,
    )


def _tell_speakers(ledger: Ledger, claim: Claim, turns: Sequence[SpeakerTurn]) -> None:
    ledger.set_speaker_turns(_held(ledger, claim), turns)


def _begin_analysis(ledger: Ledger, claim: Claim) -> None:
    job = _held(ledger, claim)
    ledger.change_job(job, JobProgressed(job.processed_ms, job.audio_duration_ms), stage=JobStage.ANALYZING)


def _end_analysis(ledger: Ledger, claim: Claim, analysis: Analysis | None) -> None:
    job = _held(ledger, claim)
    keep_analysis(ledger.connection, job.id, analysis)
    ledger.change_job(job, JobProgressed(job.processed_ms, job.audio_duration_ms), stage=JobStage.WRITING)


def _finish(ledger: Ledger, claim: Claim, outcome: Outcome) -> Job:
    if not outcome.state.terminal:
        raise ValueError(f"a run does not end as {outcome.state}")
    job = _held(ledger, claim)
    duration_ms = outcome.audio_duration_ms or job.audio_duration_ms
    return ledger.change_job(
        job,
        state=outcome.state,
        outputs=outcome.outputs,
        error=outcome.error,
        warning=outcome.warning,
        audio_duration_ms=duration_ms,
        processed_ms=duration_ms if outcome.state is State.SUCCEEDED else job.processed_ms,
    )


def _release(ledger: Ledger, claim: Claim) -> None:
    job = _held(ledger, claim)
    # It was given back, not lost: that is no attempt which got nowhere, if it was heard at all.
    # Before anything is heard, nothing ties it to this server's default model.
    model = job.model if job.media_segments_done else ""
    _put_back(ledger, job, stalled_attempts=min(job.stalled_attempts, claim.job.stalled_attempts), model=model)


def _put_off(ledger: Ledger, claim: Claim, waiting: Waiting, pause_s: float) -> None:
    job = _held(ledger, claim)
    stalled_attempts = min(job.stalled_attempts, claim.job.stalled_attempts)
    if job.cancel_requested:
        ledger.change_job(job, state=State.CANCELLED)
        return
    ledger.change_job(
        job,
        state=State.QUEUED,
        attempt=job.attempt - 1,  # it was its store's
        stalled_attempts=stalled_attempts,
        waiting=waiting,
        not_before=ledger.now + timedelta(seconds=pause_s),
    )


def _put_back(ledger: Ledger, job: Job, **changes: Any) -> None:
    if job.cancel_requested:
        ledger.change_job(job, state=State.CANCELLED)
    else:
        ledger.change_job(job, state=State.QUEUED, **changes)


def _recover(ledger: Ledger, max_stalled_attempts: int, exclusive_owner: bool, after_id: str) -> Sequence[str]:
    """Returns the ids of the next jobs that were recovered, in their order."""
    expired = or_(_jobs.lease_expire_time.is_(None), _jobs.lease_expire_time <= ledger.now)
    abandoned = [tables.IS_RUNNING] if exclusive_owner else [tables.IS_RUNNING, expired]
    jobs = ledger.jobs(*abandoned, _jobs.id > after_id, limit=CHUNK_RECOVERED)
    for job in jobs:
        if job.stalled_attempts >= max_stalled_attempts and not job.cancel_requested:
            message = (
                f"The file was given up: it got nowhere in {job.stalled_attempts} attempts, each of which was cut off."
            )
            ledger.change_job(job, state=State.FAILED, error=Failure(Reason.ATTEMPTS_EXHAUSTED, message))
        else:
            _put_back(ledger, job)
    return [job.id for job in jobs]
