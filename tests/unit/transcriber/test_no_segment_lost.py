"""Files on their way through sessions, slots, turns and blame, with an engine that dies at any moment: every file that
stays open is heard whole, in order and once, and at the end no slot is held.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from batchscribe_engine.messages import (
    DecodeOptions,
    MediaFinished,
    MediaOpened,
    ModelSpec,
    SegmentReady,
    SegmentResult,
)
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.transcriber import HeardSegment, MediaSummary, TranscriptionRequest
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.blame import Batch, Verdict, judge, suspect
from batchscribe_server.transcriber.pool import SegmentPool
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner
from batchscribe_server.transcriber.session import Session
from batchscribe_server.transcriber.slots import SlotAllocator, fewest_slots

MODEL = Model("base", ModelSource.PATH, "/base", 1, ("en", "de"))
LONGEST_FILE = 6
MAX_DEATHS = 3


@dataclass(eq=False)
class File:
    """A file, how far its worker has cut it, and what its reader was given."""

    session: Session
    segments: int
    heard: list[HeardSegment] = field(default_factory=list)
    summary: MediaSummary | None = None
    failure: JobFailure | None = None
    cut: bool = False
    closed: bool = False

    async def read(self) -> None:
        try:
            async with aclosing(self.session.events()) as events:
                async for event in events:
                    match event:
                        case HeardSegment():
                            self.heard.append(event)
                        case MediaSummary():
                            self.summary = event
        except JobFailure as failure:
            self.failure = failure


class Engine:
    """What stands between the sessions and the pool, and an engine that does as it is told."""

    def __init__(self, slots: SlotAllocator, clock: Callable[[], float]) -> None:
        self.slots = slots
        self.pool = SegmentPool(BatchLimits(max_segments=3, max_padded_s=30.0), clock, EngineObserver())
        self.again: list[Batch] = []
        self.running: list[Batch] = []

    def add(self, segment: QueuedSegment) -> None:
        self.pool.add(segment)

    def drop(self, owner: SegmentOwner) -> None:
        self.pool.drop(owner)
        kept = (batch.keeping(lambda segment: segment.owner is not owner) for batch in self.again)
        self.again = [batch for batch in kept if batch.segments]

    def move(self, owner: SegmentOwner, priority: int) -> None:
        self.pool.move(owner, priority)

    def take(self, *, idle: bool) -> bool:
        batch = self.again.pop(0) if self.again else Batch(self.pool.take(idle=idle))
        for segment in batch.segments:
            self.slots.reading(segment.grant)
        if batch.segments:
            self.running.append(batch)
        return bool(batch.segments)

    def answer(self, place: int, language: str) -> None:
        for segment in self._ended(place).segments:
            candidates = () if segment.language else ((language, 0.9),)
            spoken = segment.language or language
            segment.owner.heard(segment, SegmentResult(segment.segment_id, "yes", (), spoken, candidates))

    def fail(self, place: int) -> None:
        self._sentence(suspect(self._ended(place), MAX_DEATHS, certain=True))

    def die(self, started: int) -> None:
        batches = [self._ended(0) for _ in range(len(self.running))]
        self._sentence(judge(batches[:started], batches[started:], MAX_DEATHS))

    def _ended(self, place: int) -> Batch:
        batch = self.running.pop(place)
        for segment in batch.segments:
            self.slots.ready(segment.grant)
        return batch

    def _sentence(self, verdict: Verdict) -> None:
        for batch in verdict.retried:
            for segment in batch.segments:
                if not segment.owner.wanted:
                    self.slots.release(segment.grant)
            kept = batch.keeping(lambda segment: segment.owner.wanted)
            self.again += [kept] if kept.segments else []
        for segment in verdict.condemned:
            segment.owner.failed(segment, Reason.ENGINE_CRASHED, "it kills")


class AnyInterleaving(RuleBasedStateMachine):
    """Files are opened, cut, closed and heard in any order, while the engine fails and dies."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.slots = SlotAllocator(fewest_slots(4))
        self.now_s = 0.0
        self.engine = Engine(self.slots, lambda: self.now_s)
        self.ids = itertools.count(1)
        self.files: list[File] = []
        self.readers: list[asyncio.Task[None]] = []

    def do(self, act: Callable[[], object]) -> None:
        """On the loop, until the readers have read what there is."""

        async def act_and_settle() -> None:
            act()
            for _ in range(4):
                await asyncio.sleep(0)

        self.loop.run_until_complete(act_and_settle())

    @property
    def uncut(self) -> list[File]:
        return [file for file in self.files if not file.cut and file.session.wanted]

    @precondition(lambda self: len(self.uncut) < 4)
    @rule(
        segments=st.integers(0, LONGEST_FILE).map(lambda fewer: LONGEST_FILE - fewer),
        tenant=st.sampled_from("ab"),
        batch=st.sampled_from(["", "x", "y"]),
        priority=st.integers(-1, 1),
        language=st.sampled_from(["", "en"]),
    )
    def open(self, segments: int, tenant: str, batch: str, priority: int, language: str) -> None:
        request = TranscriptionRequest(
            "job", -1, MODEL, RecognitionConfig(), language, tenant=tenant, batch_id=batch, priority=priority
        )

        def begin() -> None:
            session = Session(request, ModelSpec("base", "/base"), DecodeOptions(), self.slots, self.engine, self.ids)
            self.files.append(File(session, segments))
            session.opened(MediaOpened(1, "wav", "pcm", 16_000, 1, 60_000))
            self.readers.append(asyncio.ensure_future(self.files[-1].read()))

        self.do(begin)

    @precondition(lambda self: self.uncut)
    @rule(place=st.integers(0, 3), lengths_s=st.lists(st.floats(0.5, 20.0), min_size=1, max_size=LONGEST_FILE))
    def cut(self, place: int, lengths_s: list[float]) -> None:
        """The worker of a file goes on by some segments, if it is granted slots, or is at the end."""
        file = self.uncut[place % len(self.uncut)]
        for length_s in lengths_s:
            if file in self.uncut:
                self.do(partial(self._cut, file, length_s))

    def _cut(self, file: File, length_s: float = 1.0) -> None:
        index = file.session.next_index
        if index == file.segments:
            file.cut = True
            file.session.finished(MediaFinished(1, 60_000, 30_000, index, ""))
            return
        request = self.slots.request(file.session)
        if not request.done():
            request.cancel()
            return
        grant = request.result()
        self.slots.filled(grant)
        samples = int(length_s * 16_000)
        file.session.segment_ready(
            SegmentReady(1, index, grant.slot, grant.generation, 320_000 * index, samples), grant
        )

    @rule(idle=st.booleans())
    def take(self, idle: bool) -> None:
        self.do(lambda: self.engine.take(idle=idle))

    @precondition(lambda self: self.engine.running)
    @rule(place=st.integers(0, 9), language=st.sampled_from(["en", "de"]))
    def answer(self, place: int, language: str) -> None:
        self.do(lambda: self.engine.answer(place % len(self.engine.running), language))

    @precondition(lambda self: self.engine.running)
    @rule(place=st.integers(0, 9))
    def fail(self, place: int) -> None:
        self.do(lambda: self.engine.fail(place % len(self.engine.running)))

    @precondition(lambda self: self.engine.running)
    @rule(started=st.integers(0, 3))
    def die(self, started: int) -> None:
        self.do(lambda: self.engine.die(started))

    @precondition(lambda self: self.files)
    @rule(place=st.integers(0, 20))
    def close(self, place: int) -> None:
        file = self.files[place % len(self.files)]
        file.closed = True
        self.do(file.session.close)

    @precondition(lambda self: self.files)
    @rule(place=st.integers(0, 20), priority=st.integers(-1, 1))
    def prioritize(self, place: int, priority: int) -> None:
        file = self.files[place % len(self.files)]
        self.do(lambda: file.session.prioritize(priority))

    @rule(seconds=st.sampled_from([0.1, 1.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def each_file_is_heard_in_order_and_once(self) -> None:
        for file in self.files:
            assert [heard.index for heard in file.heard] == list(range(len(file.heard)))

    def teardown(self) -> None:
        """What is open is cut and heard to its end, in as many steps as there can be segments."""
        for _ in range(4 * LONGEST_FILE * (len(self.files) + 1)):
            for file in self.uncut:
                self.do(partial(self._cut, file))
            self.do(lambda: self.engine.take(idle=True))
            if self.engine.running:
                self.do(lambda: self.engine.answer(0, "en"))
        assert not self.uncut
        for file in self.files:
            assert file.summary is not None or file.failure is not None or file.closed
            if file.summary is not None:
                assert len(file.heard) == file.segments == file.summary.segments
        assert self.slots.free == self.slots.slots
        assert len(self.engine.pool) == 0
        for reader in self.readers:
            reader.cancel()
        self.do(lambda: None)
        self.loop.close()


TestAnyInterleaving = AnyInterleaving.TestCase
TestAnyInterleaving.settings = settings(max_examples=60, stateful_step_count=40)
