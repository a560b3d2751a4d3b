"""A file that is heard in sequence: each window begins where the model left the one before, with its text as context.

    blocks of the file     |    0    |    1    |    2    |  ...   one slot each, in order, 30 s long
    windows               |---------|                             at most 30 s
                                 |---------|                      from where the first one's timestamps ended
                                        |---------|

One window of a file is in the engine at a time; a block's slot is free once no window to come reaches into it. A window
and what its analysis reaches into is a few frames longer than a block, so it lies in three blocks at most: `GUARANTEED`
slots are enough to go on (see `slots`).
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

import msgspec

from batchscribe_engine.messages import (
    MAX_HELD_S,
    MAX_SEGMENT_S,
    SAMPLE_RATE_HZ,
    Context,
    DecodeOptions,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    ModelSpec,
    Passage,
    SegmentReady,
    SegmentResult,
    SlotSpan,
    WindowResult,
    WindowTask,
)
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.party import Party
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.operations.transcriber import (
    DecodingProgress,
    HeardSegment,
    MediaSummary,
    Transcription,
    TranscriptionRequest,
)
from batchscribe_server.transcriber.language import believed, known_language
from batchscribe_server.transcriber.segment import QueuedSegment, QueuedWindow, words_in_file
from batchscribe_server.transcriber.session import SegmentQueue
from batchscribe_server.transcriber.slots import GUARANTEED, Grant, SlotAllocator, SlotState
from batchscribe_server.transcriber.stream import MAX_UNREAD, ResultStream, probability

FRAME_MS = 10
FRAME_SAMPLES = SAMPLE_RATE_HZ * FRAME_MS // 1000
WINDOW_FRAMES = 1000 * MAX_SEGMENT_S // FRAME_MS

LEAD_FRAMES = 2
TRAIL_FRAMES = 1
"""How far the analysis of a window's first and last frames reaches beyond them: 200 samples, in frames of 160."""

MAX_BLOCKS = GUARANTEED + 1
"""Blocks a file may hold: those of a window, and one for the next. More would only keep slots from other files."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Sound of the file in a READY slot."""

    grant: Grant
    start_sample: int
    samples: int

    @property
    def end_sample(self) -> int:
        return self.start_sample + self.samples


class SequentialSession:
    """A file between its media worker and the engine, heard window by window; see `Session`.

    Its sound comes as blocks that follow each other, or, with voice activity, as stretches of speech of which each is
    heard for itself, as if it were a recording of its own but for the text before it.
    """

    def __init__(
        self,
        request: TranscriptionRequest,
        model: ModelSpec,
        options: DecodeOptions,
        slots: SlotAllocator,
        queue: SegmentQueue,
        segment_ids: itertools.count[int],
    ) -> None:
        self._request = request
        self._priority = request.priority
        self.party = Party(request.tenant, request.batch_id)
        self._model = model
        self._options = options
        self._slots = slots
        self._queue = queue
        self._segment_ids = segment_ids
        self._in_blocks = not request.config.finds_speech
        self._language = known_language(request)
        self._blocks: deque[_Block] = deque()
        self._received = 0
        self._given = request.first_segment
        # Where the present recording or stretch of speech began.
        self._origin_sample = request.config.start_offset_ms // FRAME_MS * FRAME_SAMPLES
        # Where an earlier run ended: what lies before was stored, and its text is no context any more.
        self._resume_sample = max(self._origin_sample, request.resume_at_ms // FRAME_MS * FRAME_SAMPLES)
        self._next_sample = self._resume_sample  # where the next window begins
        self._context: Context | None = None
        self._searched_ms = 0
        self._in_engine = False
        self._finished: MediaFinished | None = None
        self._stream = ResultStream(self._on_read)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # for its reader

    def events(self) -> AsyncGenerator[Transcription]:
        """The file's stream, up to its summary. Raises JobFailure after what was heard before it."""
        return self._stream.events()

    def close(self) -> None:
        """Give back all that the file holds outside of its media worker and the engine."""
        if self.closed.done():
            return
        self.closed.set_result(None)
        self._queue.drop(self)
        self._give_back(block.grant for block in self._blocks)
        self._blocks.clear()

    def fail(self, failure: Exception) -> None:
        """End the stream with `failure`, after what its reader has not yet read."""
        if not self.closed.done():
            self._stream.fail(failure)
            self.close()

    def prioritize(self, priority: int) -> None:
        """From now on this is the file's priority."""
        self._priority = priority
        self._queue.move(self, priority)

    # as the holder of slots and the sink of a media worker

    @property
    def backlogged(self) -> bool:
        """True while results enough wait for their reader, or blocks enough for the engine."""
        return len(self._stream) >= MAX_UNREAD or len(self._blocks) >= MAX_BLOCKS

    @property
    def next_index(self) -> int:
        """The number of the first block that wasn't received yet: an interrupted run gets all of them again."""
        return self._received

    def opened(self, message: MediaOpened) -> None:
        """Describe the file, once."""
        self._stream.describe(message)

    def segment_ready(self, message: SegmentReady, grant: Grant) -> None:
        """Take the next block, unless all of it was heard by an earlier run."""
        self._received = message.index + 1
        block = _Block(grant, message.start_sample, message.samples)
        if self.closed.done() or block.end_sample <= self._resume_sample - LEAD_FRAMES * FRAME_SAMPLES:
            self._slots.release(grant)
            return
        self._blocks.append(block)
        self._go_on()

    def progressed(self, message: MediaProgress) -> None:
        """Tell of silence: what the worker may still hold back is later than that."""
        silent_ms = message.decoded_ms - 1000 * MAX_HELD_S
        if self._in_blocks or self._blocks or not self._stream.described or silent_ms <= self._searched_ms:
            return
        self._tell_progress(silent_ms)

    def finished(self, message: MediaFinished) -> None:
        """The last block was received."""
        self._finished = message
        self._go_on()

    def media_failed(self, reason: Reason, message: str) -> None:
        """The file can't be decoded."""
        self.fail(JobFailure(reason, message))

    # as the owner of windows in the engine

    @property
    def wanted(self) -> bool:
        """False once the stream was closed or has failed."""
        return not self.closed.done()

    def heard(self, segment: QueuedSegment, result: SegmentResult) -> None:
        """Give what was heard in a window, and go on where it ended."""
        if self.closed.done():
            self._give_back(segment.grants)
            return
        assert isinstance(result, WindowResult)
        self._in_engine = False
        if self._language is None and result.language:
            confidence = result.language_candidates[0][1] if result.language_candidates else 1.0
            try:
                self._language = believed(DetectedLanguage(result.language, confidence), self._request.config.detection)
            except JobFailure as failure:
                self.fail(failure)
                return
            if self._language.code != result.language:
                self._go_on()  # with the same window
                return
        for passage in result.passages:
            assert self._language is not None
            heard = self._in_file_time(passage, segment, self._language, probability(result.avg_log_prob))
            self._searched_ms = max(self._searched_ms, heard.end_ms)
            self._stream.give(heard)
            self._given += 1
        self._context = result.context
        self._next_sample = self._origin_sample + result.next_frame * FRAME_SAMPLES
        self._tell_progress(min(self._next_sample * 1000 // SAMPLE_RATE_HZ, segment.end_ms))
        self._go_on()

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        """The engine can't do a window, so the file can't be done."""
        if self.closed.done():
            self._give_back(segment.grants)
        else:
            self.fail(JobFailure(reason, message))

    def _on_read(self) -> None:
        self._slots.serve()
        self._go_on()

    def _go_on(self) -> None:
        """Queue the next window, unless one is on its way, or its sound isn't here yet, or its reader has enough."""
        if self.closed.done() or self._in_engine or len(self._stream) >= MAX_UNREAD:
            return
        window = self._next_window()
        if window is not None:
            self._in_engine = True
            self._queue.add(window)
        elif self._finished is not None and not self._blocks:
            done = self._finished
            self._stream.give(MediaSummary(done.duration_ms, done.speech_ms, self._given, done.warning))
            self.close()

    def _next_window(self) -> QueuedWindow | None:
        """The window to be heard next, or None while it isn't here. Gives back the blocks that no window needs."""
        while self._blocks:
            self._enter_stretch(self._blocks[0])
            first_needed = self._next_sample - LEAD_FRAMES * FRAME_SAMPLES
            end_of_all = self._end_of_stretch()
            left = None if end_of_all is None else (end_of_all - self._next_sample) // FRAME_SAMPLES
            if self._blocks[0].end_sample <= first_needed or (left is not None and left <= 0):
                self._give_back((self._blocks.popleft().grant,))
                continue
            frames = WINDOW_FRAMES if left is None else min(WINDOW_FRAMES, left)
            end = self._next_sample + (frames + TRAIL_FRAMES) * FRAME_SAMPLES
            if end_of_all is None and self._blocks[-1].end_sample < end:
                return None
            at_end = end_of_all is not None and end_of_all <= end
            return self._window(frames, end_of_all if at_end and end_of_all is not None else end, at_end=at_end)
        return None

    def _enter_stretch(self, block: _Block) -> None:
        """Begin a stretch of speech, unless the block is the one that is being heard, or all are one recording."""
        if self._in_blocks or block.start_sample <= self._origin_sample:
            return
        shift = block.start_sample - self._origin_sample
        if self._context is not None:
            spoken_until_s = self._context.spoken_until_s - shift / SAMPLE_RATE_HZ
            self._context = msgspec.structs.replace(self._context, spoken_until_s=spoken_until_s)
        self._origin_sample = block.start_sample
        heard_frames = max(0, self._resume_sample - block.start_sample) // FRAME_SAMPLES
        self._next_sample = block.start_sample + heard_frames * FRAME_SAMPLES

    def _end_of_stretch(self) -> int | None:
        """Where the present recording or stretch of speech ends, or None while that isn't known."""
        if not self._in_blocks:
            return self._blocks[0].end_sample
        return None if self._finished is None else self._blocks[-1].end_sample

    def _window(self, frames: int, end_sample: int, *, at_end: bool) -> QueuedWindow:
        """The window of so many frames, with sound up to `end_sample`."""
        lead_frames = min(LEAD_FRAMES, (self._next_sample - self._blocks[0].start_sample) // FRAME_SAMPLES)
        start_sample = self._next_sample - lead_frames * FRAME_SAMPLES
        spans = []
        for block in self._blocks:
            first = max(start_sample, block.start_sample)
            samples = min(end_sample, block.end_sample) - first
            if samples > 0 and (self._in_blocks or block is self._blocks[0]):
                spans.append(SlotSpan(block.grant.slot, block.grant.generation, first - block.start_sample, samples))
        segment_id = next(self._segment_ids)
        task = WindowTask(
            segment_id=segment_id,
            spans=tuple(spans),
            start_frame=(self._next_sample - self._origin_sample) // FRAME_SAMPLES,
            lead_frames=lead_frames,
            frames=frames,
            at_end=at_end,
            language=self._language.code if self._language else "",
            context=self._context,
        )
        return QueuedWindow(
            segment_id=segment_id,
            owner=self,
            index=self._given,
            grant=Grant(spans[0].slot, spans[0].generation),
            start_sample=self._next_sample,
            samples=frames * FRAME_SAMPLES,
            model=self._model,
            options=self._options,
            language=task.language,
            party=self.party,
            priority=self._priority,
            job_id=self._request.job_id,
            task=task,
        )

    def _in_file_time(
        self, passage: Passage, window: QueuedSegment, language: DetectedLanguage, confidence: float
    ) -> HeardSegment:
        """The passage in the file's time. A model's timestamps may go on after the sound has ended."""
        origin_ms = self._origin_sample * 1000 // SAMPLE_RATE_HZ
        start_ms = min(window.end_ms, origin_ms + passage.start_ms)
        end_ms = min(window.end_ms, origin_ms + max(passage.start_ms, passage.end_ms))
        words = words_in_file(passage.words, origin_ms, window.end_ms)
        return HeardSegment(self._given, start_ms, end_ms, passage.text, words, language, confidence)

    def _tell_progress(self, searched_ms: int) -> None:
        if searched_ms > self._searched_ms:
            self._searched_ms = searched_ms
            self._stream.give(DecodingProgress(searched_ms))

    def _give_back(self, grants: Iterable[Grant]) -> None:
        """Release slots unless the engine reads them: then they come back with its answer."""
        for grant in grants:
            if self._slots.state(grant) is SlotState.READY:
                self._slots.release(grant)
