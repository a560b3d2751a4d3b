"""One file on its way through the engine: what the worker finds in it, what is heard in it, and in which order."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Protocol

from batchscribe_engine.messages import (
    MAX_HELD_S,
    SAMPLE_RATE_HZ,
    DecodeOptions,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    ModelSpec,
    SegmentReady,
    SegmentResult,
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
from batchscribe_server.transcriber.language import LanguageFinder, LanguageWatch, known_language
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner, words_in_file
from batchscribe_server.transcriber.slots import Grant, SlotAllocator, SlotState
from batchscribe_server.transcriber.stream import MAX_UNREAD, ResultStream, probability


class SegmentQueue(Protocol):
    """Where segments wait for the engine."""

    def add(self, segment: QueuedSegment) -> None:
        """Queue one segment."""
        ...

    def drop(self, owner: SegmentOwner) -> None:
        """Forget a file's segments, unless they are in the engine."""
        ...

    def move(self, owner: SegmentOwner, priority: int) -> None:
        """Give a file's segments that wait another priority."""
        ...


class Session:
    """A file between its media worker and the engine, and the ordered stream of its results.

    It owns its segments' slots from when they are filled until their results are accepted. Everything but `events`
    is called on the event loop and waits for nothing. Once `closed` is settled it takes part in nothing any more: its
    media task stops, and what the engine still has is given back when it comes.
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
        languages = request.model.languages
        self._language = known_language(request)
        detection = request.config.detection
        fallback = "en" if not languages or "en" in languages else languages[0]
        self._finder = LanguageFinder(detection.default or next(iter(detection.candidates), fallback), detection)
        # A language that was asked for is not called into question.
        self._watch = LanguageWatch() if not request.config.language and len(languages) != 1 else None
        self._asked = 0  # segments sent for detection
        self._held: deque[QueuedSegment] = deque()  # wait for the language
        self._undecided: list[tuple[QueuedSegment, SegmentResult]] = []  # heard before the language was known
        self._outstanding: dict[int, QueuedSegment] = {}  # by index: received, and no result accepted yet
        self._early: dict[int, HeardSegment] = {}  # accepted before an earlier one
        self._next_received = request.first_segment
        self._next_given = request.first_segment
        self._searched_ms = 0
        self._finished: MediaFinished | None = None
        self._stream = ResultStream(slots.serve)
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
        for segment in self._outstanding.values():
            self._give_back(segment)
        self._outstanding.clear()

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
        """True while results enough wait for their reader."""
        return len(self._stream) + len(self._early) >= MAX_UNREAD

    @property
    def next_index(self) -> int:
        """The number of the first segment that wasn't received yet."""
        return self._next_received

    def opened(self, message: MediaOpened) -> None:
        """Describe the file, once."""
        self._stream.describe(message)

    def segment_ready(self, message: SegmentReady, grant: Grant) -> None:
        """Queue the next segment for the engine, or hold it until the language is known."""
        if self.closed.done():
            self._slots.release(grant)
            return
        segment = QueuedSegment(
            segment_id=next(self._segment_ids),
            owner=self,
            index=message.index,
            grant=grant,
            start_sample=message.start_sample,
            samples=message.samples,
            model=self._model,
            options=self._options,
            language=self._language.code if self._language else "",
            party=self.party,
            channel=message.channel,
            job_id=self._request.job_id,
        )
        self._next_received = message.index + 1
        self._outstanding[message.index] = segment
        if self._language is not None:
            self._to_engine(segment)
        else:
            self._held.append(segment)
            self._find_language()

    def progressed(self, message: MediaProgress) -> None:
        """Tell of silence: what the worker may still hold back is later than that."""
        silent_ms = message.decoded_ms - 1000 * MAX_HELD_S
        if self._outstanding or self._early or not self._stream.described or silent_ms <= self._searched_ms:
            return
        self._searched_ms = silent_ms
        self._stream.give(DecodingProgress(silent_ms))

    def finished(self, message: MediaFinished) -> None:
        """The last segment was received."""
        self._finished = message
        self._find_language()
        self._end_if_done()

    def media_failed(self, reason: Reason, message: str) -> None:
        """The file can't be decoded."""
        self.fail(JobFailure(reason, message))

    # as the owner of segments in the engine

    @property
    def wanted(self) -> bool:
        """False once the stream was closed or has failed."""
        return not self.closed.done()

    def heard(self, segment: QueuedSegment, result: SegmentResult) -> None:
        """Accept a result, or keep it until the language is known."""
        if self.closed.done():
            self._give_back(segment)
            return
        if not segment.language:
            self._undecided.append((segment, result))
            self._finder.vote(result.language_candidates, segment.length_s)
            self._find_language()
        else:
            if self._watch is not None:
                start_s = segment.start_sample / SAMPLE_RATE_HZ
                self._watch.checked(segment.language, result.language_candidates, start_s, segment.length_s)
            self._accept(segment, result)
        self._end_if_done()

    def failed(self, segment: QueuedSegment, reason: Reason, message: str) -> None:
        """The engine can't do a segment, so the file can't be done."""
        if self.closed.done():
            self._give_back(segment)
        else:
            self.fail(JobFailure(reason, message))

    def _find_language(self) -> None:
        """Ask as many segments as are wanted; settle the language once it can be told."""
        if self._language is not None:
            self._settle_undecided(self._language)
            return
        unanswered = self._asked - self._finder.votes
        more = unanswered > 0 or bool(self._held) or self._finished is None
        try:
            language = self._finder.decide(more=more) if self._finder.votes else None
        except JobFailure as failure:
            self.fail(failure)
            return
        if language is not None:
            self._language = language
            self._settle_undecided(language)
            while self._held:
                self._to_engine(replace(self._held.popleft(), language=language.code))
            return
        while self._held and self._asked < self._finder.wanted:
            self._asked += 1
            self._to_engine(self._held.popleft())

    def _settle_undecided(self, language: DetectedLanguage) -> None:
        """Accept what was heard in the file's language; the rest is heard again, from the slots kept for it."""
        undecided, self._undecided = self._undecided, []
        for segment, result in undecided:
            if result.language in (language.code, ""):
                self._accept(segment, result)
            else:
                self._to_engine(replace(segment, language=language.code))

    def _to_engine(self, segment: QueuedSegment) -> None:
        check = ""
        if self._watch is not None and segment.language:
            check = self._watch.check(segment.start_sample / SAMPLE_RATE_HZ)
        self._queue.add(replace(segment, priority=self._priority, language_check=check))

    def _accept(self, segment: QueuedSegment, result: SegmentResult) -> None:
        del self._outstanding[segment.index]
        self._early[segment.index] = self._in_file_time(segment, result)
        while (heard := self._early.pop(self._next_given, None)) is not None:
            self._next_given += 1
            self._searched_ms = max(self._searched_ms, heard.end_ms)
            self._stream.give(heard)
        # Last, since the slot may go to this very file, whose backlog must count the result by then.
        self._give_back(segment)

    def _in_file_time(self, segment: QueuedSegment, result: SegmentResult) -> HeardSegment:
        start_ms = segment.start_sample * 1000 // SAMPLE_RATE_HZ
        words = words_in_file(result.words, start_ms, segment.end_ms)
        assert self._language is not None
        confidence = probability(result.avg_log_prob) if result.text else 0.0
        return HeardSegment(
            segment.index, start_ms, segment.end_ms, result.text, words, self._language, confidence, segment.channel
        )

    def _end_if_done(self) -> None:
        if self._finished is None or self._outstanding or self.closed.done():
            return
        done = self._finished
        noted = self._watch.warning(self._language.code) if self._watch and self._language else ""
        warning = " ".join(filter(None, (done.warning, noted)))
        self._stream.give(MediaSummary(done.duration_ms, done.speech_ms, done.segments, warning))
        self.close()

    def _give_back(self, segment: QueuedSegment) -> None:
        """Release a segment's slot unless the engine reads it: then it comes back with its result."""
        if self._slots.state(segment.grant) is SlotState.READY:
            self._slots.release(segment.grant)
