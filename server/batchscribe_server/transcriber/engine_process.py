"""The supervisor of the inference process: starts it, feeds it, watches it, and replaces it when it dies or hangs."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, replace

import structlog

from batchscribe_engine.channel import ChannelClosedError
from batchscribe_engine.messages import (
    SAMPLE_RATE_HZ,
    BatchDone,
    BatchFailed,
    BatchSizeLearned,
    BatchStarted,
    EngineReady,
    EngineStatus,
    FromEngine,
    InferBatch,
    InferWindow,
    SegmentResult,
    SegmentTask,
    WindowDone,
)
from batchscribe_server.domain.errors import Reason
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.supervision import CRASHED
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.transcriber.backlog import Backlog
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.blame import Batch, Verdict, judge, suspect
from batchscribe_server.transcriber.child import Child, ChildCommand, ChildStartError
from batchscribe_server.transcriber.deadlines import Watchdog, WatchdogLimits
from batchscribe_server.transcriber.reasons import known_reason
from batchscribe_server.transcriber.segment import QueuedSegment, QueuedWindow, decoded, padded_s
from batchscribe_server.transcriber.slots import SlotAllocator

log = structlog.get_logger()

REMEDY = {
    Reason.ENGINE_CRASHED: "Retry the file; if it happens again, try another model.",
    Reason.INFERENCE_TIMEOUT: "Retry the file, or use a smaller model.",
    Reason.INFERENCE_OUT_OF_MEMORY: "Use a smaller model or beam, or give the service more memory.",
    Reason.INFERENCE_FAILED: "Retry the file, or try another model.",
}


FEWEST_SEGMENTS = 4
"""No batch is kept smaller than this for the sake of the other workers."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an engine ended, or couldn't do a batch."""

    reason: Reason
    words: str


SUPERVISION_FAILED = Cause(Reason.INTERNAL, "the service failed for a reason of its own; see its log")


@dataclass(slots=True)
class _InFlight:
    batch: Batch
    started: bool = False


class EngineProcess:
    """One inference process at a time, on one device, and what it has been given.

    A batch is in flight from when it is sent until it is answered or its engine is gone for certain; its slots are
    READING exactly then. `concurrency` batches run at once and `queue_depth` more wait in the engine, so that no worker
    of its runs dry; an engine that replaces a dead one gets a single batch until it has answered one. Batches to be
    tried again come before the pool's, and solo ones run alone.
    """

    def __init__(
        self,
        command: ChildCommand,
        arena_descriptor: int,
        slots: SlotAllocator,
        backlog: Backlog,
        *,
        number: int,
        batches: BatchLimits,
        limits: WatchdogLimits,
        backoff: Backoff,
        max_deaths: int = 3,
        observer: EngineObserver,
        tracing: Tracing,
    ) -> None:
        self.number = number
        self._command = command
        self._arena_descriptor = arena_descriptor
        self._slots = slots
        self._backlog = backlog
        self._pool = backlog.pool
        self._batches = batches
        self._watchdog = Watchdog(limits)
        self._backoff = backoff
        self._max_deaths = max_deaths
        self._observer = observer
        self._tracing = tracing
        self._in_flight: dict[int, _InFlight] = {}
        self._learned_padded_s: dict[tuple[str, int], float] = {}
        self._cause: Cause | None = None
        self._fruitless = 0  # engines in a row that ended, since the last answer
        self.hello: EngineReady | None = None
        self.heartbeat: EngineStatus | None = None
        self.reason = "the engine is starting"

    async def run(self) -> None:
        """Keep an engine running until cancelled, then end it in good order."""
        if self._in_flight:  # what an engine had whose supervision failed
            self._recover(self._cause or SUPERVISION_FAILED)
        while True:
            try:
                child: Child[FromEngine]
                child, hello = await Child.spawn(self._command, self._arena_descriptor)
            except ChildStartError as error:
                self.reason = f"the engine does not start: {error}"
                self._observer.engine_not_started()
                log.error(  # noqa: TRY400 - its words say all
                    "engine_start_failed", engine=self.number, reason=str(error), failures=self._fruitless + 1
                )
            else:
                assert isinstance(hello, EngineReady)
                await self._employ(child, hello)
            self._fruitless += 1
            await asyncio.sleep(self._backoff.delay_s(self._fruitless))

    async def _employ(self, child: Child[FromEngine], hello: EngineReady) -> None:
        """Work with one engine until it is gone, then send what it had again."""
        self._cause = None
        self._watchdog.reset()
        self._learned_padded_s.clear()
        self.hello, self.reason = hello, ""
        self._backlog.began(self.number)
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
        except Exception:  # the boundary: the engine is replaced, and what it had is tried again
            log.exception("engine_supervision_failed", engine=self.number)
            self._cause = SUPERVISION_FAILED
            child.strike()
        finally:
            self._backlog.ended(self.number)
            self.hello = self.heartbeat = None
            self.reason = "the engine is being restarted"
            # This is also the way out when the service stops. A dead child takes no time here.
            await child.end()
        log.error(
            "engine_died",
            engine=self.number,
            device=hello.device,
            pid=child.pid,
            cause=self._cause.words,
            batches_in_flight=len(self._in_flight),
        )
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
                    case BatchSizeLearned():
                        self._on_learned(message)
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
            await self._pool.wait(until_due=self._room > 0 and self._backlog.retry_for(self.number) is None)

    @property
    def _room(self) -> int:
        """How many more batches the engine may be given now."""
        assert self.hello is not None
        if any(flight.batch.solo for flight in self._in_flight.values()):
            return 0
        most = 1 if self._fruitless else self.hello.concurrency + self.hello.queue_depth
        return most - len(self._in_flight)

    def _next_batch(self) -> Batch | None:
        assert self.hello is not None
        if (batch := self._backlog.retry_for(self.number)) is not None:
            if self._in_flight if batch.solo else self._room <= 0:
                return None
            self._backlog.take_retry(batch)
            return batch
        if self._room <= 0:
            return None
        idle = len(self._in_flight) < self.hello.concurrency
        segments = self._pool.take(idle=idle, limits_for=self._limits_for)
        return Batch(segments) if segments else None

    def _limits_for(self, segment: QueuedSegment) -> BatchLimits:
        assert self.hello is not None
        kind = segment.model.path, segment.options.beam_size
        learned_s = self._learned_padded_s.get(kind, self.hello.max_batch_padded_s)
        return replace(
            self._batches,
            max_segments=min(self._most_segments, self._fair_part()),
            max_padded_s=min(self._batches.max_padded_s, learned_s),
        )

    @property
    def _most_segments(self) -> int:
        """How many segments this engine takes at once."""
        assert self.hello is not None
        return min(self._batches.max_segments, self.hello.max_batch_segments)

    def _fair_part(self) -> int:
        """How many of what waits one of the engines' workers may take, so that all end at about the same time.

        Towards the end batches shrink, as in guided self-scheduling (Polychronopoulos and Kuck 1987); not below
        `FEWEST_SEGMENTS`, since a small batch costs nearly as much as a large one.
        """
        assert self.hello is not None
        workers = self.hello.concurrency * max(1, self._backlog.engines_at_work)
        return max(FEWEST_SEGMENTS, math.ceil(len(self._pool) / workers))

    def _send(self, child: Child[FromEngine], batch: Batch) -> None:
        batch_id = self._backlog.next_batch_id()
        self._in_flight[batch_id] = _InFlight(batch)
        for grant in batch.grants:
            self._slots.reading(grant)
        try:
            child.channel.send(_question(batch_id, batch))
        except ChannelClosedError:
            raise
        except Exception:  # the boundary: what can't be put into a message fails its own file
            log.exception("batch_not_sent", engine=self.number)
            self._execute(suspect(self._answered(batch_id), self._max_deaths, certain=True), SUPERVISION_FAILED)

    def _on_started(self, message: BatchStarted) -> None:
        flight = self._flight(message.batch_id)
        flight.started = True
        self._watchdog.started(message.batch_id, _kind(flight.batch.segments[0]), padded_s(flight.batch.segments))

    def _on_done(self, message: BatchDone | WindowDone) -> None:
        segments = self._flight(message.batch_id).batch.segments
        if [result.segment_id for result in message.results] != [segment.segment_id for segment in segments]:
            raise ChannelClosedError("an answer for other segments than it was given")
        self._answered(message.batch_id)
        self._fruitless = 0
        self._watchdog.learn(_kind(segments[0]), padded_s(segments), message.elapsed_s)
        for segment, result in zip(segments, message.results, strict=True):
            _give(segment, result)
        batch = decoded(segments, message, self._most_segments)
        self._observer.batch_decoded(batch)
        self._tracing.batch_decoded(batch)

    def _on_learned(self, message: BatchSizeLearned) -> None:
        self._learned_padded_s[message.model_path, message.beam_size] = message.max_padded_s
        log.info("batch_size_learned", engine=self.number, max_padded_s=round(message.max_padded_s, 1))

    def _on_failed(self, message: BatchFailed) -> None:
        self._flight(message.batch_id)
        batch = self._answered(message.batch_id)
        reason = known_reason(message.reason, Reason.INFERENCE_FAILED)
        self._observer.batch_failed(batch.segments[0].model.name, reason)
        log.warning("batch_failed", reason=reason, message=message.message, segments=len(batch.segments))
        if reason is Reason.MODEL_UNAVAILABLE:
            for segment in batch.segments:
                _fail(segment, reason, message.message)
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
                self._backlog.retry(replace(wanted, failed_in=self.number) if wanted.solo else wanted)
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
            _fail(segment, cause.reason, message)

    def _wanted(self, batch: Batch) -> Batch:
        """What of a batch, whose slots are READY, somebody still waits for; the rest is given back."""
        for segment in batch.segments:
            if not segment.owner.wanted:
                for grant in segment.grants:
                    self._slots.release(grant)
        return batch.keeping(lambda segment: segment.owner.wanted)


def _give(segment: QueuedSegment, result: SegmentResult) -> None:
    try:
        segment.owner.heard(segment, result)
    except Exception:  # the boundary: a file that fails on its result is no other's trouble
        log.exception("result_not_taken", job_id=segment.job_id)
        _fail(segment, Reason(CRASHED.reason), CRASHED.message)


def _fail(segment: QueuedSegment, reason: Reason, message: str) -> None:
    try:
        segment.owner.failed(segment, reason, message)
    except Exception:  # the boundary, here as well
        log.exception("failure_not_taken", job_id=segment.job_id)


def _kind(segment: QueuedSegment) -> tuple[str, int, bool]:
    """What decides how long a second of audio takes."""
    return segment.model.path, segment.options.beam_size, segment.alone


def _question(batch_id: int, batch: Batch) -> InferBatch | InferWindow:
    first = batch.segments[0]
    if isinstance(first, QueuedWindow):
        return InferWindow(batch_id, first.model, first.options, first.task)
    tasks = tuple(
        SegmentTask(
            s.segment_id, s.grant.slot, s.grant.generation, s.samples, s.language, language_check=s.language_check
        )
        for s in batch.segments
    )
    return InferBatch(batch_id, first.model, first.options, tasks)
