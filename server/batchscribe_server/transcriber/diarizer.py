"""The diarizer of this machine: one child process, started with the first file that needs it and ended when idle."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog

from batchscribe_engine.channel import ChannelClosedError
from batchscribe_engine.messages import (
    CancelTask,
    DiarizationDone,
    DiarizationFailed,
    DiarizationProgress,
    DiarizerReady,
    DiarizeTask,
    FromDiarizer,
)
from batchscribe_server.domain.speakers import SpeakerTurn, in_order_of_appearance
from batchscribe_server.operations.diarizer import (
    FAILED,
    HOW_TO_GET_IT,
    TOO_LONG,
    UNAVAILABLE,
    DiarizationFailure,
    DiarizationRequest,
)
from batchscribe_server.operations.supervision import CRASHED, keep_running
from batchscribe_server.operations.transcriber import TranscriberClosedError
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.child import Child, ChildStartError
from batchscribe_server.transcriber.commands import DiarizerOptions, diarizer_argv, diarizer_command
from batchscribe_server.transcriber.turns import Turns

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DiarizerConfig:
    """The measures of the diarizer.

    A file may cost `max_attempts` children. One may be silent for `silence_s`, and for `silence_factor` of the audio
    that it has decoded beside: nothing is said while voices are clustered. That is looked at every `tick_s`.
    """

    argv: tuple[str, ...] = field(default_factory=lambda: diarizer_argv(DiarizerOptions()))
    max_duration_ms: int = 0
    max_attempts: int = 2
    silence_s: float = 300.0
    silence_factor: float = 0.5
    tick_s: float = 0.5
    idle_s: float = 600.0
    backoff: Backoff = field(default_factory=Backoff)
    handshake_timeout_s: float = 300.0
    grace_s: float = 5.0


@dataclass(slots=True, eq=False)
class _Asked:
    """A file, and who waits for it: `answer` is cancelled where nobody does any more."""

    key: int
    request: DiarizationRequest
    answer: asyncio.Future[Sequence[SpeakerTurn]]
    attempts: int = 0


class LocalDiarizer:
    """A `Diarizer` over one child process; an async context manager, entered and left by one task.

    Files wait in fair order. Leaving it ends the child; calls that still wait end with TranscriberClosedError.
    """

    def __init__(
        self, config: DiarizerConfig, *, available: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._available = available
        self._clock = clock
        self._command = diarizer_command(config.argv, config.handshake_timeout_s, config.grace_s)
        self._waiting: Turns[_Asked] = Turns()
        self._keys = itertools.count(1)
        self._asked: set[_Asked] = set()
        """Of all files that somebody waits for, those that wait for their turn and the one that is served."""
        self._news = asyncio.Event()
        self._child: Child[FromDiarizer] | None = None
        self._work: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether what the child needs is installed."""
        return self._available

    async def __aenter__(self) -> Self:
        self._work = asyncio.create_task(keep_running("diarizer", self._run), name="diarizer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        work, self._work = self._work, None
        for asked in self._asked:
            if not asked.answer.done():
                asked.answer.set_exception(TranscriberClosedError())
        assert work is not None
        work.cancel()
        await asyncio.wait([work])

    async def speakers(self, request: DiarizationRequest) -> Sequence[SpeakerTurn]:
        """Tell the voices of one file apart; see the port. Raises TranscriberClosedError too."""
        if not self._available:
            raise DiarizationFailure(UNAVAILABLE, f"{HOW_TO_GET_IT[:1].upper()}{HOW_TO_GET_IT[1:]}.")
        if self._work is None:
            raise TranscriberClosedError
        asked = _Asked(next(self._keys), request, asyncio.get_running_loop().create_future())
        self._asked.add(asked)
        self._put(asked)
        try:
            return await asked.answer
        finally:
            self._asked.discard(asked)

    def prioritize(self, job_id: str, priority: int) -> None:
        """Give a job's file another priority; see the port."""
        for waiting in [waiting for waiting in self._waiting if waiting.item.request.job_id == job_id]:
            self._waiting.move(waiting.key, priority, self._clock())

    def _put(self, asked: _Asked) -> None:
        self._waiting.add(
            asked.key,
            asked,
            asked.request.party,
            file=asked,
            priority=asked.request.priority,
            cost=1.0,
            since_s=self._clock(),
        )
        self._news.set()

    async def _run(self) -> None:
        """Serve one file after the other until cancelled."""
        try:
            while True:
                if (asked := self._next()) is not None:
                    await self._serve_or_fail(asked)
                    continue
                self._news.clear()
                try:
                    async with asyncio.timeout(self._config.idle_s if self._child else None):
                        await self._news.wait()
                except TimeoutError:
                    await self._end_child()
        finally:
            await self._end_child()

    def _next(self) -> _Asked | None:
        """The file whose turn it is, of those that somebody still waits for."""
        while len(self._waiting):
            waiting = next(self._waiting.in_turn(self._clock()))
            self._waiting.serve([waiting.key])
            if not waiting.item.answer.done():
                return waiting.item
        return None

    async def _serve_or_fail(self, asked: _Asked) -> None:
        """Serve one file. A fault of the service fails it, and costs the child, of which nothing is known then."""
        try:
            await self._serve(asked)
        except Exception:  # the boundary: one file that defies it must not leave all others waiting
            log.exception("diarization_crashed", job_id=asked.request.job_id)
            if not asked.answer.done():
                asked.answer.set_exception(DiarizationFailure(FAILED, CRASHED.message))
            await self._end_child()

    async def _serve(self, asked: _Asked) -> None:
        """Try one file until it has its answer, or has cost all its attempts."""
        cause = ""
        while not asked.answer.done() and asked.attempts < self._config.max_attempts:
            await asyncio.sleep(self._config.backoff.delay_s(asked.attempts))
            asked.attempts += 1
            try:
                if self._child is None:
                    self._child, _ = await Child.spawn(self._command)
                await _Run(asked, self._child, self._config).to_the_end()
            except ChildStartError as error:
                cause = f"the diarizer does not start: {error}"
                log.error("diarizer_start_failed", reason=str(error))  # noqa: TRY400 - its words say all
            except _ChildLostError as lost:
                cause, self._child = str(lost), None
                log.warning("diarizer_died", cause=cause, job_id=asked.request.job_id, attempt=asked.attempts)
        if not asked.answer.done():
            words = f"It was given up after {asked.attempts} attempts ({cause}). Retry the file, or split it."
            asked.answer.set_exception(DiarizationFailure(FAILED, words))

    async def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()


class _ChildLostError(Exception):
    """The child died, fell silent or sent nonsense, and is gone now; the message says how."""


class _Run:
    """One file on one child. Silence is counted in ticks, so that a server that was stopped itself blames nobody."""

    _task_ids = itertools.count(1)

    def __init__(self, asked: _Asked, child: Child[FromDiarizer], config: DiarizerConfig) -> None:
        self._asked = asked
        self._child = child
        self._config = config
        self._task_id = next(self._task_ids)
        self._silent_s = 0.0
        self._decoded_s = 0.0
        self._hang = ""

    async def to_the_end(self) -> None:
        """Run the file until the child has answered. Raises _ChildLostError."""
        if self._asked.answer.done():
            return  # and its descriptor may be another file's by now
        self._asked.answer.add_done_callback(self._pass_cancellation_on)
        watch = asyncio.create_task(self._watch(), name=f"diarizer-watch-{self._child.pid}")
        try:
            self._child.channel.send(self._task())
            while not self._answered(await self._child.channel.receive()):
                pass
        except ChannelClosedError as error:
            cause = self._hang or str(error) or await self._child.describe_death()
            await self._child.kill()
            raise _ChildLostError(cause) from error
        finally:
            watch.cancel()
            self._asked.answer.remove_done_callback(self._pass_cancellation_on)

    def _task(self) -> DiarizeTask:
        request = self._asked.request
        return DiarizeTask(
            task_id=self._task_id,
            descriptor=request.descriptor,
            file_name=request.file_name,
            max_duration_ms=self._config.max_duration_ms,
            start_ms=request.start_offset_ms,
            end_ms=request.end_offset_ms,
            separate_channels=request.separate_channels,
            min_speakers=request.diarization.min_speakers,
            max_speakers=request.diarization.max_speakers,
        )

    def _answered(self, message: FromDiarizer) -> bool:
        """Take one message; True when it was the last one."""
        self._silent_s = 0.0
        if isinstance(message, DiarizerReady) or message.task_id != self._task_id:
            raise ChannelClosedError("it spoke out of turn")
        answer = self._asked.answer
        match message:
            case DiarizationProgress(decoded_ms=decoded_ms):
                self._decoded_s = decoded_ms / 1000
                return False
            case DiarizationDone(turns=turns):
                if not answer.done():
                    found = (SpeakerTurn(turn.start_ms, turn.end_ms, turn.voice, turn.channel) for turn in turns)
                    answer.set_result(in_order_of_appearance([turn for turn in found if turn.end_ms > turn.start_ms]))
            case DiarizationFailed(reason=reason, message=words):
                if not answer.done():
                    answer.set_exception(DiarizationFailure(TOO_LONG if reason == "MEDIA_TOO_LONG" else FAILED, words))
        return True

    def _pass_cancellation_on(self, answer: asyncio.Future[Sequence[SpeakerTurn]]) -> None:
        if answer.cancelled():
            with contextlib.suppress(ChannelClosedError):  # the run notices by itself
                self._child.channel.send(CancelTask(self._task_id))

    async def _watch(self) -> None:
        """Kill a child that has been silent for too long; its end is then noticed by the run."""
        while self._silent_s <= self._config.silence_s + self._config.silence_factor * self._decoded_s:
            await asyncio.sleep(self._config.tick_s)
            self._silent_s += self._config.tick_s
        self._hang = f"no sign of life for {self._silent_s:.0f} s"
        self._child.strike()
