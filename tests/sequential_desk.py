"""A file that is heard in sequence, with its media worker, the queue and the engine played by hand in this process."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np

from batchscribe_engine.arena import Arena
from batchscribe_engine.media.segment import FRAME_SAMPLES
from batchscribe_engine.media.segmenter import segmenter
from batchscribe_engine.messages import (
    DecodeOptions,
    InferWindow,
    MediaFinished,
    MediaOpened,
    ModelSpec,
    SegmentReady,
    VoiceActivityOptions,
    WindowResult,
)
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.recognition import OperatingPoint, RecognitionConfig
from batchscribe_server.operations.transcriber import Transcription, TranscriptionRequest
from batchscribe_server.transcriber.options import decode_options
from batchscribe_server.transcriber.segment import QueuedSegment, QueuedWindow, SegmentOwner
from batchscribe_server.transcriber.sequential import SequentialSession
from batchscribe_server.transcriber.slots import SlotAllocator
from tests.scripted_children import collect

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]
    Engine = Callable[[InferWindow, Arena], WindowResult]

Message = TypeVar("Message", bound=msgspec.Struct)

STORY = (
    "The harbour was quiet when the first boats came back.",
    "Nobody had expected them before the evening.",
    "Two men in long coats stood at the end of the pier and counted the barrels.",
    "Have you ever seen so many of them?",
    "The older one shook his head and wrote a number into a small black book.",
    "It had been raining for most of the week.",
    "In the market hall the women were already setting up their tables.",
    "Bread, cheese and apples were all that was left from the day before.",
    "A boy ran through the crowd and shouted that the ship from Norway had arrived.",
    "Everyone turned around.",
    "The mayor put down his cup and looked for his hat.",
    "Later they would say that it had been the best summer in years.",
    "But on that morning nobody knew what was in the letters.",
    "There were eleven of them, tied together with a piece of red string.",
    "The postman carried them up the hill in the heat of the afternoon.",
    "At the top he stopped, sat down on a stone and opened the first one.",
)
"""A minute of sentences in which none comes twice: a model that hears the text before soon repeats what repeats."""

IN_SEQUENCE = RecognitionConfig(operating_point=OperatingPoint.SEQUENTIAL)
ENGLISH = Model("model", ModelSource.PATH, "/model", 1, ("en",))


def in_sequence(**changes: object) -> TranscriptionRequest:
    """A request for a file to be heard in sequence; `changes` are fields of the request."""
    plain = TranscriptionRequest(job_id="j", descriptor=-1, model=ENGLISH, config=IN_SEQUENCE)
    return replace(plain, **changes)  # type: ignore[arg-type]


def blocks(samples: Samples) -> list[tuple[int, Samples]]:
    """The blocks that a media worker cuts a file into, each with its first sample's place."""
    cutter = segmenter(VoiceActivityOptions(enabled=False, blocks=True))
    cut = []
    for start in range(0, samples.size, 32 * FRAME_SAMPLES):
        portion = samples[start : start + 32 * FRAME_SAMPLES]
        cut += cutter.push(portion, np.ones(-(-portion.size // FRAME_SAMPLES), dtype=np.float32))
    cut += cutter.finish()
    return [(block.start_sample, block.samples) for block in cut]


def _sent(message: Message) -> Message:
    """What arrives when a message is sent."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message), type=type(message))


@dataclass
class SequentialDesk:
    """Hears files with `engine`; keeps the windows it was asked for, and the most slots that a file ever held."""

    engine: Engine
    slots: int = 8
    windows: list[QueuedWindow] = field(default_factory=list)
    most_held: int = 0
    queued: deque[QueuedSegment] = field(default_factory=deque)
    session: SequentialSession | None = None

    def add(self, segment: QueuedSegment) -> None:
        self.queued.append(segment)

    def drop(self, owner: SegmentOwner) -> None:
        self.queued = deque(segment for segment in self.queued if segment.owner is not owner)

    def move(self, owner: SegmentOwner, priority: int) -> None:
        raise AssertionError("no file here gets another priority")

    async def hear(
        self,
        stretches: list[tuple[int, Samples]],
        request: TranscriptionRequest,
        *,
        options: DecodeOptions | None = None,
        max_windows: int = 1_000_000,
    ) -> list[Transcription]:
        """What is heard of a file that is cut into `stretches`; all of it, or what `max_windows` windows give."""
        allocator = SlotAllocator(self.slots)
        arena = Arena.create(self.slots)
        session = SequentialSession(
            request,
            ModelSpec("model", "/model"),
            options or decode_options(request),
            allocator,
            self,
            itertools.count(),
        )
        self.session = session
        heard: list[Transcription] = []
        reader = asyncio.create_task(collect(session.events(), heard))
        session.opened(MediaOpened(1, "wav", "pcm", 16_000, 1, 0))
        media = self._media(stretches, session, allocator, arena)
        try:
            while not session.closed.done() and len(self.windows) < max_windows:
                moved = next(media, False)
                self.most_held = max(self.most_held, allocator.held_by(session))
                moved |= self._answer(allocator, arena)
                await asyncio.sleep(0)
                assert moved or session.closed.done() or not reader.done(), "nothing goes on any more"
            session.close()
            if len(self.windows) < max_windows:
                await reader
            assert allocator.free == self.slots
        finally:
            reader.cancel()
            arena.close()
        return heard

    def _answer(self, allocator: SlotAllocator, arena: Arena) -> bool:
        if not self.queued:
            return False
        window = self.queued.popleft()
        assert isinstance(window, QueuedWindow)
        self.windows.append(window)
        for grant in window.grants:
            allocator.reading(grant)
        question = InferWindow(1, window.model, window.options, window.task)
        result = _sent(self.engine(_sent(question), arena))
        for grant in window.grants:
            allocator.ready(grant)
        window.owner.heard(window, result)
        return True

    @staticmethod
    def _media(
        stretches: list[tuple[int, Samples]], session: SequentialSession, allocator: SlotAllocator, arena: Arena
    ) -> Iterator[bool]:
        """One step of the media worker: whether it did anything."""
        for index, (start, samples) in enumerate(stretches):
            grant = allocator.request(session)
            while not grant.done():
                yield False
            arena.write(grant.result().slot, grant.result().generation, samples)
            allocator.filled(grant.result())
            message = SegmentReady(1, index, grant.result().slot, grant.result().generation, start, samples.size)
            session.segment_ready(message, grant.result())
            yield True
        duration_ms = (stretches[-1][0] + stretches[-1][1].size) // 16 if stretches else 0
        session.finished(MediaFinished(1, duration_ms, duration_ms, len(stretches)))
        yield True
