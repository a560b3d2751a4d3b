"""The supervisor of the inference process: starts it, feeds it, watches it, and replaces it when it dies or hangs."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from dataclasses import dataclass

import structlog

from batchscribe_engine.channel import ChannelClosedError
from batchscribe_engine.messages import (
    SAMPLE_RATE_HZ,
    BatchDone,
    BatchFailed,
    BatchStarted,
    EngineReady,
    EngineStatus,
    FromEngine,
    InferBatch,
    InferWindow,
    SegmentTask,
    WindowDone,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.blame import Batch, Verdict, judge, suspect
from batchscribe_server.transcriber.child import Child, ChildCommand, ChildStartError
from batchscribe_server.transcriber.deadlines import Watchdog, WatchdogLimits
from batchscribe_server.transcriber.pool import SegmentPool
from batchscribe_server.transcriber.reasons import known_reason
from batchscribe_server.transcriber.segment import QueuedSegment, QueuedWindow, SegmentOwner, decoded, padded_s
from batchscribe_server.transcriber.slots import SlotAllocator

log = structlog.get_logger()

REMEDY = {
    Reason.ENGINE_CRASHED: "Retry the file; if it happens again, try another model.",
    Reason.INFERENCE_TIMEOUT: "Retry the file, or use a smaller model.",
    Reason.INFERENCE_OUT_OF_MEMORY: "Use a smaller model or beam, or give the service more memory.",
    Reason.INFERENCE_FAILED: "Retry the file, or try another model.",
}


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an engine ended, or couldn't do a batch."""

    reason: Reason
    words: str


@dataclass(slots=True)
class _InFlight:
    batch: Batch
    started: bool = False


class EngineProcess:
    """One inference process at a time, and what it has been given.

    A batch is in flight from when it is sent until it is answered or its engine is gone for certain; its slots are
    READING exactly then. `concurrency` batches run at once and one more waits in the engine, so that no worker of its
    runs dry. Batches to be tried again come before the pool's, and solo ones run alone.
    """

    def __init__(
        self,
        command: ChildCommand,
        arena_descriptor: int,
        slots: SlotAllocator,
        pool: SegmentPool,
        *,
        limits: WatchdogLimits,
        backoff: Backoff,
        max_deaths: int = 3,
        observer: EngineObserver,
    ) -> None:
        self._command = command
        self._arena_descriptor = arena_descriptor
        self._slots = slots
        self._pool = pool
        self._watchdog = Watchdog(limits)
        self._backoff = backoff
        self._max_deaths = max_deaths
        self._observer = observer
        self._batch_ids = itertools.count(1)
        self._in_flight: dict[int, _InFlight] = {}
        self._again: deque[Batch] = deque()
        self._cause: Cause | None = None
        self._fruitless = 0  # engines in a row that answered nothing
        self.ready = asyncio.Event()
        self.hello: EngineReady | None = None
        self.heartbeat: EngineStatus | None = None
        self.reason = "the engine is starting"

    @property
    def waiting_segments(self) -> int:
        """Segments that are not in the engine yet."""
        return len(self._pool) + sum(len(batch.segments) for batch in self._again)

    def add(self, segment: QueuedSegment) -> None:
        """Queue one segment, whose slot is READY."""
        self._pool.add(segment)

    def drop(self, owner: SegmentOwner) -> None:
        """Forget the segments of a file that are not in the engine. Those that are will still be answered."""
        self._pool.drop(owner)
        kept = (batch.keeping(lambda segment: segment.owner is not owner) for batch in self._again)
        self._again = deque(batch for batch in kept if batch.segments)

    async def run(self) -> None:
        """Keep an engine running until cancelled, then end it in good order."""
        while True:
            try:
                child: Child[FromEngine]
                child, hello = await Child.spawn(self._command, self._arena_descriptor)
            except ChildStartError as error:
                self.reason = f"the engine does not start: {error}"
                self._observer.engine_not_started()
                log.error("engine_start_failed", reason=str(error), failures=self._fruitless + 1)  # noqa: TRY400 - its words say all
            else:
                assert isinstance(hello, EngineReady)
                await self._employ(child, hello)
            self._fruitless += 1
            await asyncio.sleep(self._backoff.delay_s(self._fruitless))

    async def _employ(self, child: Child[FromEngine], hello: EngineReady) -> None:
        """Work with one engine until it is gone, then send what it had again."""
        self._cause = None
        self._watchdog.reset()
        self.hello, self.reason = hello, ""
        self.ready.set()
        try:
            async with asyncio.TaskGroup() as group:
                attendants = [
                    group.create_task(self._feed(child), name="engine-feed"),
                    group.create_task(self._watch(child), name="engine-watch"),
                ]
                await self._listen(child)
                for attendant in attendants:
                    attendant.cancel()
            if self._cause is None:
                self._cause = Cause(Reason.ENGINE_CRASHED, await child.describe_death())
            await child.kill()
        finally:
            self.ready.clear()
            self.hello = self.heartbeat = None
            self.reason = "the engine is being restarted"
            # This is also the way out when the service stops. A dead child takes no time here.
            await child.end()
        log.error("engine_died", pid=child.pid, cause=self._cause.words, batches_in_flight=len(self._in_flight))
        self._observer.engine_died(self._cause.reason)
        self._recover(self._cause)

    async def _listen(self, child: Child[FromEngine]) -> None:
        """Take what the engine says until it is gone."""
        try:
            while True:
                message = await child.channel.receive()
                self._watchdog.alive()
                match message:
                    case EngineStatus():
                        self.heartbeat = message
                        self._watchdog.loading(message.loading)
                    case BatchStarted():
                        self._on_started(message)
                    case BatchDone() | WindowDone():
                        self._on_done(message)
                    case BatchFailed():
                        self._on_failed(message)
                    case EngineReady():
                        self._cause = Cause(Reason.ENGINE_CRASHED, "it said hello twice")
                        return
        except ChannelClosedError as error:
            if str(error) and self._cause is None:
                self._cause = Cause(Reason.ENGINE_CRASHED, str(error))

    async def _feed(self, child: Child[FromEngine]) -> None:
        """Keep the engine supplied."""
        while True:
            try:
                while (batch := self._next_batch()) is not None:
                    self._send(child, batch)
            except ChannelClosedError:
                return  # what was in flight is recovered once the engine is gone
            await self._pool.wait(until_due=self._room > 0 and not self._again)

    @property
    def _room(self) -> int:
        """How many more batches the engine may be given now."""
        assert self.hello is not None
        if any(flight.batch.solo for flight in self._in_flight.values()):
            return 0
        return self.hello.concurrency + 1 - len(self._in_flight)

    def _next_batch(self) -> Batch | None:
        assert self.hello is not None
        if self._again:
            solo = self._again[0].solo
            if self._in_flight if solo else self._room <= 0:
                return None
            return self._again.popleft()
        if self._room <= 0:
            return None
        segments = self._pool.take(idle=len(self._in_flight) < self.hello.concurrency)
        return Batch(segments) if segments else None

    def _send(self, child: Child[FromEngine], batch: Batch) -> None:
        batch_id = next(self._batch_ids)
        self._in_flight[batch_id] = _InFlight(batch)
        for grant in batch.grants:
            self._slots.reading(grant)
        child.channel.send(_question(batch_id, batch))

    def _on_started(self, message: BatchStarted) -> None:
        flight = self._flight(message.batch_id)
        flight.started = True
        self._watchdog.started(message.batch_id, _pace_key(flight.batch), padded_s(flight.batch.segments))

    def _on_done(self, message: BatchDone | WindowDone) -> None:
        segments = self._flight(message.batch_id).batch.segments
        if [result.segment_id for result in message.results] != [segment.segment_id for segment in segments]:
            raise ChannelClosedError("an answer for other segments than it was given")
        batch = self._answered(message.batch_id)
        self._fruitless = 0
        self._watchdog.learn(_pace_key(batch), padded_s(segments), message.elapsed_s)
        self._observer.batch_decoded(decoded(segments, message))
        for segment, result in zip(segments, message.results, strict=True):
            segment.owner.heard(segment, result)

    def _on_failed(self, message: BatchFailed) -> None:
        self._flight(message.batch_id)
        batch = self._answered(message.batch_id)
        reason = known_reason(message.reason, Reason.INFERENCE_FAILED)
        self._observer.batch_failed(batch.segments[0].model.name, reason)
        log.warning("batch_failed", reason=reason, message=message.message, segments=len(batch.segments))
        if reason is Reason.MODEL_UNAVAILABLE:
            for segment in batch.segments:
                segment.owner.failed(segment, reason, message.message)
            return
        self._execute(suspect(batch, self._max_deaths, certain=True), Cause(reason, message.message))

    def _flight(self, batch_id: int) -> _InFlight:
        flight = self._in_flight.get(batch_id)
        if flight is None:
            raise ChannelClosedError("an answer to no question")
        return flight

    def _answered(self, batch_id: int) -> Batch:
        """Take a batch back: the engine doesn't read its slots any more."""
        batch = self._in_flight.pop(batch_id).batch
        self._watchdog.done(batch_id)
        for grant in batch.grants:
            self._slots.ready(grant)
        self._pool.ring()
        return batch

    async def _watch(self, child: Child[FromEngine]) -> None:
        """Kill an engine that hangs; its end is then noticed by whoever listens."""
        tick_s = self._watchdog.limits.tick_s
        while True:
            await asyncio.sleep(tick_s)
            waiting = any(not flight.started for flight in self._in_flight.values())
            self._watchdog.passed(tick_s, waiting=waiting)
            if cause := self._hang():
                self._cause = cause
                child.strike()
                return

    def _hang(self) -> Cause | None:
        limits = self._watchdog.limits
        if overdue := self._watchdog.overdue():
            # The others that run are above suspicion: they go again as if they had not been started.
            for batch_id, flight in self._in_flight.items():
                flight.started = batch_id in overdue
            return Cause(Reason.INFERENCE_TIMEOUT, "a batch took many times as long as expected")
        if model := self._watchdog.hung_load:
            self._suspect_those_waiting_for(model)
            return Cause(Reason.INFERENCE_TIMEOUT, f"model {model} was not loaded within {limits.start_s:g} s")
        if self._watchdog.silent:
            return Cause(Reason.INFERENCE_TIMEOUT, f"no heartbeat for {limits.heartbeat_s:g} s")
        if self._watchdog.stuck:
            return Cause(Reason.INFERENCE_TIMEOUT, f"no batch was started for {limits.start_s:g} s")
        return None

    def _suspect_those_waiting_for(self, model: str) -> None:
        """Put the batches for a model first among those to blame: what runs with other models is above suspicion."""
        self._in_flight = dict(
            sorted(self._in_flight.items(), key=lambda item: item[1].batch.segments[0].model.name != model)
        )
        for flight in self._in_flight.values():
            flight.started = False

    def _recover(self, cause: Cause) -> None:
        """The engine is gone for certain: its slots are nobody's but ours again."""
        flights = list(self._in_flight.values())
        for batch_id in list(self._in_flight):
            self._answered(batch_id)
        started = [flight.batch for flight in flights if flight.started]
        unstarted = [flight.batch for flight in flights if not flight.started]
        self._execute(judge(started, unstarted, self._max_deaths), cause)

    def _execute(self, verdict: Verdict, cause: Cause) -> None:
        for batch in verdict.retried:
            if (wanted := self._wanted(batch)).segments:
                self._again.append(wanted)
                self._observer.segments_retried(len(wanted.segments))
        self._pool.ring()
        for segment in verdict.condemned:
            at_s = segment.start_sample / SAMPLE_RATE_HZ
            message = (
                f"The speech at {at_s:.1f} s could not be transcribed in {self._max_deaths} attempts "
                f"({cause.words}). {REMEDY.get(cause.reason, 'Retry the file.')}"
            )
            self._observer.segment_condemned(cause.reason)
            log.error("segment_condemned", reason=cause.reason, at_s=at_s, cause=cause.words)
            segment.owner.failed(segment, cause.reason, message)

    def _wanted(self, batch: Batch) -> Batch:
        """What of a batch, whose slots are READY, somebody still waits for; the rest is given back."""
        for segment in batch.segments:
            if not segment.owner.wanted:
                for grant in segment.grants:
                    self._slots.release(grant)
        return batch.keeping(lambda segment: segment.owner.wanted)


def _pace_key(batch: Batch) -> tuple[str, int, bool]:
    first = batch.segments[0]
    return first.model.path, first.options.beam_size, first.alone


def _question(batch_id: int, batch: Batch) -> InferBatch | InferWindow:
    first = batch.segments[0]
    if isinstance(first, QueuedWindow):
        return InferWindow(batch_id, first.model, first.options, first.task)
    tasks = tuple(
        SegmentTask(s.segment_id, s.grant.slot, s.grant.generation, s.samples, s.language) for s in batch.segments
    )
    return InferBatch(batch_id, first.model, first.options, tasks)
