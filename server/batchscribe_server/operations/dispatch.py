"""Dispatch: claim queued jobs under leases, run as many as have places, keep their leases, stop them when asked to,
and tell of their new priorities.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import partial
from typing import Any, assert_never

import structlog

from batchscribe_server.domain.errors import DatabaseUnavailableError, LeaseLostError
from batchscribe_server.domain.job import State
from batchscribe_server.domain.replica import Capacity
from batchscribe_server.domain.url import is_url
from batchscribe_server.operations.observers import JobObserver
from batchscribe_server.operations.places import Place, Places
from batchscribe_server.operations.run_store import Claim, Outcome
from batchscribe_server.operations.store import Store
from batchscribe_server.operations.supervision import CRASHED, keep_running
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.wakeups import QUEUE, Wakeups

log = structlog.get_logger()


class Stop(Enum):
    """Why a run is stopped before its end."""

    CANCELLED = auto()
    RELEASED = auto()
    LEASE_LOST = auto()


@dataclass(slots=True)
class _Run:
    """A run of a claimed job. Its lease lasts until `lease_end_s` of the event loop's clock, if not longer."""

    stop: asyncio.Future[Stop]
    place: Place
    lease_end_s: float


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """Leases last `lease_s` and are renewed three times in that; the queue is looked at every `poll_s` even when
    nothing wakes the dispatcher; a request to stop, or a new priority, is noticed within `stop_s`.
    """

    lease_s: float = 30.0
    poll_s: float = 5.0
    stop_s: float = 0.25


class Dispatch:
    """The jobs this server runs. Nothing else claims, renews or releases.

    A server that was suspended for longer than a lease may claim a job again while its own earlier run of it still
    ends: runs are told apart by the token of their claim.

    While the database is away runs go on as long as their leases last by this server's own clock: nobody else can have
    taken over before. Then they are given up.
    """

    def __init__(
        self,
        store: Store,
        transcriber: Transcriber,
        wakeups: Wakeups,
        run_job: Callable[[Claim, Place], Awaitable[None]],
        prioritize: Callable[[str, int], None],
        owner: str,
        places: Places,
        limits: DispatchLimits,
        observer: JobObserver | None = None,
        lacking_models: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        """`prioritize` is told which job that runs has another priority from now on; `lacking_models` tells the names
        of those that are left to other servers.
        """
        self._store = store
        self._transcriber = transcriber
        self._wakeups = wakeups
        self._run_job = run_job
        self._prioritize = prioritize
        self._owner = owner
        self._places = places
        self._limits = limits
        self._observer = observer or JobObserver()
        self._lacking_models = lacking_models
        self._runs: dict[tuple[str, int], _Run] = {}
        self._claiming = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._paused = False

    @property
    def running(self) -> int:
        """How many jobs run now."""
        return len(self._runs)

    async def run(self) -> None:
        """Claim and run until cancelled. Cancelling it abandons the runs: their leases expire. See `drain`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep_running("leases", self._keep_leases))
            tasks.create_task(keep_running("expired_leases", self._give_up_expired))
            await keep_running("claims", partial(self._claim_and_start, tasks))

    async def _claim_and_start(self, tasks: asyncio.TaskGroup) -> None:
        with self._wakeups.listening(QUEUE) as woken:
            while True:
                await self._transcriber.wait_ready()
                woken.clear()
                self._places.changed.clear()
                async with self._claiming:
                    before_s = _now_s()
                    claims, more = await self._claim()
                    for claim in claims:
                        self._start(tasks, claim, before_s + self._limits.lease_s)
                if claims and _now_s() - before_s > self._renewal_s:
                    await self._renew()  # a database that was away has used up much of the leases
                if not more:
                    await self._something_to_do(woken)

    async def drain(self, grace_s: float) -> None:
        """Claim nothing more, give running jobs `grace_s` to end, then release the rest where they stand."""
        self._draining = True
        await self._let_end(grace_s)

    async def pause(self, grace_s: float) -> None:
        """As `drain`, but until `resume`. May be cancelled: jobs that were not released by then go on."""
        self._paused = True
        await self._let_end(grace_s)

    def resume(self) -> None:
        """Claim again, after a pause."""
        self._paused = False
        self._places.changed.set()

    def share_with(self, elsewhere: Capacity) -> None:
        """The other servers that have room hear so many files at once."""
        self._places.share_with(elsewhere)

    async def _let_end(self, grace_s: float) -> None:
        async with self._claiming:
            pass  # what was being claimed runs now, and is drained with the rest
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._idle.wait()
        for run in self._runs.values():
            _resolve(run.stop, Stop.RELEASED)
        await self._idle.wait()

    async def _claim(self) -> tuple[Sequence[Claim], bool]:
        """The jobs that begin now, and whether more of them may at once.

        A claim takes its turn among all that write, so that none is made that must come back empty.
        """
        if self._draining or self._paused or not self._places.may_fetch:
            return (), False
        wanted, newcomers = self._places.wanted, self._places.newcomers_wanted
        asked_s = _now_s()
        load = replace(self._places.load(), lacking_models=self._lacking_models())
        try:
            claims = await self._store.claim(self._owner, wanted + newcomers, self._limits.lease_s, newcomers, load)
        except DatabaseUnavailableError:
            log.warning("claims_wait_for_the_database")
            return (), False
        self._observer.queue_asked(_now_s() - asked_s)
        # Where fewer come nobody who has jobs queued may have more of them; the last are for newcomers alone. Where
        # URLs took their last places, others may have come short.
        urls = sum(is_url(claim.job.input_uri) for claim in claims)
        return claims, len(claims) >= (wanted or newcomers) or 0 < load.url_places <= urls

    def _start(self, tasks: asyncio.TaskGroup, claim: Claim, lease_end_s: float) -> None:
        for (job_id, _), run in self._runs.items():
            if job_id == claim.job.id:  # its earlier claim has expired
                _resolve(run.stop, Stop.LEASE_LOST)
        stop: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        # Only what is heard can bring the server down: what waits with its file at hand is not to blame.
        place = self._places.begin(
            claim.job.party,
            partial(self._store.begin_hearing, claim),
            claim.job.priority,
            suspect=claim.job.stalled_attempts > 0,
            is_url=is_url(claim.job.input_uri),
        )
        self._runs[claim.job.id, claim.token] = _Run(stop, place, lease_end_s)
        self._idle.clear()
        self._observer.job_claimed(claim.waited_s, claim.job.attempt)
        tasks.create_task(self._supervise(claim, place, stop))

    async def _supervise(self, claim: Claim, place: Place, stop: asyncio.Future[Stop]) -> None:
        structlog.contextvars.bind_contextvars(job=claim.job.name)
        try:
            run: asyncio.Future[None] = asyncio.ensure_future(self._run_job(claim, place))
            either: set[asyncio.Future[Any]] = {run, stop}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                run.cancel()
                await asyncio.wait([run])
            if run.cancelled():
                await self._end(claim, stop.result())
            else:
                run.result()
        except LeaseLostError:
            self._observer.lease_lost()
            log.info("lease_lost_while_stopping")
        except DatabaseUnavailableError:
            # It is as it would be after a kill: whoever finds the lease expired goes on with the job.
            log.warning("job_left_to_its_lease")
        except Exception:  # the boundary: what no part of a run has expected ends this job alone
            log.exception("run_crashed")
            await self._fail(claim)
        finally:
            del self._runs[claim.job.id, claim.token]
            place.end()
            if not self._runs:
                self._idle.set()

    async def _fail(self, claim: Claim) -> None:
        try:
            job = await self._store.finish(claim, Outcome(State.FAILED, error=CRASHED))
            self._observer.job_ended(job.state, CRASHED.reason)
        except Exception:  # the boundary, here as well: whoever finds the lease expired goes on with the job
            log.exception("job_left_to_its_lease")

    async def _end(self, claim: Claim, stop: Stop) -> None:
        match stop:
            case Stop.CANCELLED:
                job = await self._store.finish(claim, Outcome(State.CANCELLED))
                self._observer.job_ended(job.state, None)
            case Stop.RELEASED:
                await self._store.release(claim)
            case Stop.LEASE_LOST:
                self._observer.lease_lost()
            case _:
                assert_never(stop)
        log.info("job_stopped", why=stop.name)

    async def _something_to_do(self, woken: asyncio.Event) -> None:
        """Wait until the queue changed, a place became free, or it is time to look again."""
        waits = {asyncio.ensure_future(woken.wait()), asyncio.ensure_future(self._places.changed.wait())}
        try:
            await asyncio.wait(waits, timeout=self._limits.poll_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _keep_leases(self) -> None:
        with self._wakeups.listening(QUEUE) as woken:
            while True:
                woken.clear()
                if self._runs:
                    await self._renew()
                # Requests to stop wake the queue, as new jobs do: a burst of those must not become a burst of renewals.
                await asyncio.sleep(self._limits.stop_s)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._renewal_s):
                        await woken.wait()

    @property
    def _renewal_s(self) -> float:
        return self._limits.lease_s / 3

    async def _renew(self) -> None:
        """Prolong all leases, stop what is to stop, and tell of priorities that have changed."""
        renewed = dict(self._runs)
        before_s = _now_s()
        try:
            report = await self._store.renew(self._owner, self._limits.lease_s, [job_id for job_id, _ in renewed])
        except DatabaseUnavailableError:
            log.warning("leases_not_renewed", jobs=len(renewed))
            return
        for (job_id, _), run in renewed.items():
            if job_id in report.lost:
                _resolve(run.stop, Stop.LEASE_LOST)
            else:
                run.lease_end_s = before_s + self._limits.lease_s
            if job_id in report.cancel_requested:
                _resolve(run.stop, Stop.CANCELLED)
            priority = report.priorities.get(job_id, run.place.priority)
            if priority != run.place.priority:
                run.place.priority = priority
                self._prioritize(job_id, priority)

    async def _give_up_expired(self) -> None:
        while True:
            for run in self._runs.values():
                if run.lease_end_s <= _now_s():
                    _resolve(run.stop, Stop.LEASE_LOST)
            await asyncio.sleep(self._limits.stop_s)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _resolve(future: asyncio.Future[Stop], why: Stop) -> None:
    if not future.done():
        future.set_result(why)
