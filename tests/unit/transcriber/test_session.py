"""One file's way through: order, language, backlog and closing, with a queue and an engine that are played by hand."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.messages import (
    MAX_HELD_S,
    DecodeOptions,
    MediaFinished,
    MediaOpened,
    MediaProgress,
    ModelSpec,
    SegmentReady,
    SegmentResult,
    Word,
)
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription
from batchscribe_server.operations.transcriber import (
    DecodingProgress,
    HeardSegment,
    MediaSummary,
    Transcription,
    TranscriptionRequest,
)
from batchscribe_server.transcriber.language import LanguageWatch
from batchscribe_server.transcriber.segment import QueuedSegment, SegmentOwner
from batchscribe_server.transcriber.session import Session
from batchscribe_server.transcriber.slots import Grant, SlotAllocator, fewest_slots
from batchscribe_server.transcriber.stream import MAX_UNREAD
from tests.scripted_children import collect

MODEL = Model("base", ModelSource.PATH, "/base", 1, ("en", "de"))
OPENED = MediaOpened(1, "wav", "pcm", 16_000, 1, 60_000)


@dataclass
class Desk:
    """The queue, the engine and the media worker of one or more sessions, all played by hand."""

    slots: SlotAllocator
    queued: deque[QueuedSegment] = field(default_factory=deque)
    moved: list[tuple[SegmentOwner, int]] = field(default_factory=list)
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, segment: QueuedSegment) -> None:
        self.queued.append(segment)

    def drop(self, owner: SegmentOwner) -> None:
        self.queued = deque(segment for segment in self.queued if segment.owner is not owner)

    def move(self, owner: SegmentOwner, priority: int) -> None:
        self.moved.append((owner, priority))

    def session(self, **changes: Any) -> Session:
        known: dict[str, Any] = {"language": "en"} | changes
        known = {"config": RecognitionConfig()} | known
        request = TranscriptionRequest(job_id="j", descriptor=-1, model=MODEL, **known)
        return Session(request, ModelSpec("base", "/base"), DecodeOptions(), self.slots, self, self.ids)

    def cut(self, session: Session, length_s: float = 1.0) -> None:
        """The worker fills a slot with the next segment; there must be one to fill."""
        grant = self.slots.request(session).result()
        self.slots.filled(grant)
        index = session.next_index
        samples = int(length_s * 16_000)
        session.segment_ready(SegmentReady(1, index, grant.slot, grant.generation, 32_000 * index, samples), grant)

    def take(self, place: int = 0) -> QueuedSegment:
        """The engine takes a segment."""
        segment = self.queued[place]
        del self.queued[place]
        self.slots.reading(segment.grant)
        return segment

    def answer(
        self, segment: QueuedSegment, *candidates: tuple[str, float], text: str = "yes", log_prob: float = -0.5
    ) -> None:
        """The engine is done with it."""
        self.slots.ready(segment.grant)
        language = segment.language or (candidates[0][0] if candidates else "")
        words = (Word(text, 0, 5000, 0.5),)
        result = SegmentResult(segment.segment_id, text, words, language, tuple(candidates), avg_log_prob=log_prob)
        segment.owner.heard(segment, result)


def unread(session: Session) -> list[Transcription]:
    """What the session's reader can have now."""
    return list(session._stream.unread)


def indexes(events: list[Transcription]) -> list[int]:
    return [event.index for event in events if isinstance(event, HeardSegment)]


async def read_all(session: Session) -> list[Transcription]:
    async with asyncio.timeout(5), aclosing(session.events()) as events:
        return [event async for event in events]


async def test_results_are_given_in_order_of_time_whatever_order_they_come_in():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.opened(OPENED)
    for _ in range(3):
        desk.cut(session)
    first, second, third = desk.take(), desk.take(), desk.take()
    desk.answer(third)
    desk.answer(second)
    assert indexes(unread(session)) == []
    desk.answer(first)
    session.finished(MediaFinished(1, 6000, 3000, 3))

    events = await read_all(session)
    assert events[0] == MediaDescription("wav", "pcm", 16_000, 1, 60_000)
    assert indexes(events) == [0, 1, 2]
    assert events[-1] == MediaSummary(6000, 3000, 3)
    assert desk.slots.free == 8


async def test_words_stay_within_their_segment_and_count_from_the_start_of_the_file():
    desk = Desk(SlotAllocator(8))
    session = desk.session(first_segment=4)
    session.opened(OPENED)
    desk.cut(session)
    desk.answer(desk.take())
    session.finished(MediaFinished(1, 6000, 3000, 5))

    heard = (await read_all(session))[1]
    assert isinstance(heard, HeardSegment)
    assert (heard.index, heard.start_ms, heard.end_ms) == (4, 8000, 9000)
    assert [(word.start_ms, word.end_ms) for word in heard.words] == [(8000, 9000)]


@pytest.mark.parametrize(("log_prob", "confidence"), [(1000.0, 1.0), (math.nan, 0.0), (-math.inf, 0.0), (-1.0, 0.368)])
async def test_confidence_is_a_probability_whatever_numbers_the_model_came_to(log_prob, confidence):
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    desk.cut(session)
    desk.answer(desk.take(), log_prob=log_prob)

    (heard,) = unread(session)
    assert isinstance(heard, HeardSegment)
    assert heard.confidence == pytest.approx(confidence, abs=1e-3)


async def test_nothing_said_has_no_confidence():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.opened(OPENED)
    desk.cut(session)
    desk.answer(desk.take(), text="")

    assert [event.confidence for event in unread(session) if isinstance(event, HeardSegment)] == [0.0]


async def test_a_second_opening_by_another_worker_is_not_told_again():
    session = Desk(SlotAllocator(8)).session()
    session.opened(OPENED)
    session.opened(OPENED)

    assert len(unread(session)) == 1


async def test_an_empty_file_ends_with_its_summary():
    session = Desk(SlotAllocator(8)).session(language="")
    session.opened(OPENED)
    session.finished(MediaFinished(1, 3_600_000, 0, 0))

    assert (await read_all(session))[1:] == [MediaSummary(3_600_000, 0, 0)]


async def test_silence_is_told_up_to_where_no_segment_can_still_begin_and_only_the_latest_is_kept():
    session = Desk(SlotAllocator(8)).session()
    session.opened(OPENED)
    for decoded_ms in (20_000, 70_000, 90_000):
        session.progressed(MediaProgress(1, decoded_ms))

    assert unread(session)[1:] == [DecodingProgress(90_000 - 1000 * MAX_HELD_S)]


async def test_silence_is_not_told_while_speech_before_it_is_not_heard():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.opened(OPENED)
    desk.cut(session)
    session.progressed(MediaProgress(1, 90_000))
    assert len(unread(session)) == 1

    desk.answer(desk.take())
    session.progressed(MediaProgress(1, 95_000))
    assert unread(session)[-1] == DecodingProgress(95_000 - 1000 * MAX_HELD_S)


async def test_a_file_whose_results_are_not_read_is_granted_no_more_slots_until_they_are():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.opened(OPENED)
    cut = 0
    while not session.backlogged:
        desk.cut(session)
        desk.answer(desk.take())
        cut += 1
    waiting = desk.slots.request(session)
    assert not waiting.done()
    assert cut == MAX_UNREAD - 1  # the description is unread, too

    async with aclosing(session.events()) as events:
        await anext(events)
        assert waiting.done()


async def test_a_failure_comes_after_what_was_heard_and_gives_the_slots_back():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.opened(OPENED)
    for _ in range(3):
        desk.cut(session)
    desk.answer(desk.take())
    in_the_engine = desk.take()
    session.media_failed(Reason.DECODE_FAILED, "no more")
    assert session.closed.done()
    assert not desk.queued
    assert desk.slots.free == 7  # what the engine reads stays until it has answered
    desk.answer(in_the_engine)
    assert desk.slots.free == 8

    heard: list[Transcription] = []
    with pytest.raises(JobFailure, match="no more"):
        await collect(session.events(), heard)
    assert indexes(heard) == [0]


async def test_a_segment_that_comes_after_closing_is_given_back_at_once():
    desk = Desk(SlotAllocator(8))
    session = desk.session()
    session.close()
    desk.cut(session)

    assert desk.slots.free == 8
    assert not desk.queued


async def test_only_the_first_segment_is_asked_for_the_language_and_the_others_wait():
    desk = Desk(SlotAllocator(8))
    session = desk.session(language="")
    for _ in range(4):
        desk.cut(session)
    assert [segment.language for segment in desk.queued] == [""]

    desk.answer(desk.take(), ("de", 0.7), ("en", 0.2))
    assert [segment.language for segment in desk.queued] == ["de"] * 3


async def test_what_comes_after_a_file_has_got_another_priority_has_that():
    desk = Desk(SlotAllocator(8))
    session = desk.session(language="", priority=1)
    for _ in range(3):
        desk.cut(session)
    asked = desk.take()
    session.prioritize(7)
    desk.answer(asked, ("de", 0.7))
    desk.cut(session)

    assert asked.priority == 1
    assert desk.moved == [(session, 7)]
    assert [(segment.index, segment.priority) for segment in desk.queued] == [(1, 7), (2, 7), (3, 7)]


async def test_an_unsure_language_is_put_to_three_segments_and_the_losers_are_heard_again():
    desk = Desk(SlotAllocator(8))
    session = desk.session(language="")
    session.opened(OPENED)
    for _ in range(4):
        desk.cut(session)
    desk.answer(desk.take(), ("en", 0.4), ("de", 0.3))
    assert [(s.index, s.language) for s in desk.queued] == [(1, ""), (2, "")]
    desk.answer(desk.take(), ("de", 0.45), ("en", 0.1))
    desk.answer(desk.take(), ("de", 0.45), ("en", 0.1))

    assert indexes(unread(session)) == []
    assert sorted((s.index, s.language) for s in desk.queued) == [(0, "de"), (3, "de")]
    while desk.queued:
        desk.answer(desk.take())
    session.finished(MediaFinished(1, 6000, 3000, 4))
    events = await read_all(session)
    assert indexes(events) == [0, 1, 2, 3]
    (language,) = {event.language for event in events if isinstance(event, HeardSegment)}
    assert (language.code, round(language.confidence, 3)) == ("de", 0.4)
    assert desk.slots.free == 8


async def test_another_language_later_is_a_warning_and_changes_nothing():
    desk = Desk(SlotAllocator(8))
    session = desk.session(language="")
    session.opened(OPENED)
    for length_s in (9.0, 9.0, 2.0, 9.0):
        desk.cut(session, length_s)
    first = desk.take()
    assert (first.language, first.language_check) == ("", "")
    desk.answer(first, ("en", 0.9))
    later = [desk.take() for _ in range(3)]
    assert [(each.language, each.language_check) for each in later] == [("en", "doubted")] * 3
    desk.answer(later[0], ("de", 0.8), ("en", 0.1))
    desk.answer(later[1], ("fr", 0.9))  # too short to tell
    desk.answer(later[2], ("nl", 0.6))  # not clearly
    session.finished(MediaFinished(1, 60_000, 29_000, 4, "Its end is damaged."))

    events = await read_all(session)
    assert {event.language.code for event in events if isinstance(event, HeardSegment)} == {"en"}
    summary = events[-1]
    assert isinstance(summary, MediaSummary)
    assert summary.warning.startswith("Its end is damaged. The recording seems to hold other languages as well ('de' ")
    assert "fr" not in summary.warning
    assert "nl" not in summary.warning


async def test_a_language_that_was_asked_for_is_not_checked():
    desk = Desk(SlotAllocator(8))
    session = desk.session(config=RecognitionConfig(language="en"))
    session.opened(OPENED)
    desk.cut(session, 9.0)
    segment = desk.take()
    assert segment.language_check == ""
    desk.answer(segment, ("de", 0.9))
    session.finished(MediaFinished(1, 60_000, 9_000, 1))
    assert (await read_all(session))[-1] == MediaSummary(60_000, 9_000, 1)


async def test_one_segment_a_minute_is_checked_without_a_doubt():
    watch = LanguageWatch()
    checks = [watch.check(float(start_s)) for start_s in range(0, 200, 10)]
    assert [10 * place for place, check in enumerate(checks) if check == "always"] == [60, 120, 180]


async def test_an_unsure_language_of_a_file_of_one_segment_is_settled_at_its_end():
    desk = Desk(SlotAllocator(8))
    session = desk.session(language="")
    desk.cut(session)
    desk.answer(desk.take(), ("de", 0.3))
    assert indexes(unread(session)) == []
    session.finished(MediaFinished(1, 6000, 1000, 1))

    events = await read_all(session)
    assert [event.language for event in events if isinstance(event, HeardSegment)] == [DetectedLanguage("de", 0.3)]


@given(
    seed=st.integers(0, 2**32),
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=9),
    workers=st.integers(1, 4),
)
def test_files_that_all_are_unsure_of_their_language_never_block_each_other(seed, lengths, workers):
    """With the fewest slots there may be, every interleaving of workers and engine ends with every file done."""

    async def play() -> None:
        chance = random.Random(seed)
        slots = SlotAllocator(fewest_slots(workers))
        desk = Desk(slots)
        waiting = deque((desk.session(language=""), length) for length in lengths)
        sessions = [session for session, _ in waiting]
        cutting: list[tuple[Session, int, asyncio.Future[Grant]]] = []
        reading: list[QueuedSegment] = []
        while True:
            while waiting and len(cutting) < workers:
                session, length = waiting.popleft()
                if length:
                    cutting.append((session, length, slots.request(session)))
                else:
                    session.finished(MediaFinished(1, 0, 0, 0))
            granted = [one for one in cutting if one[2].done()]
            moves = ["cut"] * bool(granted) + ["take"] * bool(desk.queued) + ["answer"] * bool(reading)
            if not moves:
                break
            match chance.choice(moves):
                case "cut":
                    one = chance.choice(granted)
                    cutting.remove(one)
                    session, length, future = one
                    grant, index = future.result(), session.next_index
                    slots.filled(grant)
                    session.segment_ready(SegmentReady(1, index, grant.slot, grant.generation, index, 16_000), grant)
                    if session.next_index < length:
                        cutting.append((session, length, slots.request(session)))
                    else:
                        session.finished(MediaFinished(1, 0, 0, length))
                case "take":
                    reading.append(desk.take(chance.randrange(len(desk.queued))))
                case "answer":
                    segment = reading.pop(chance.randrange(len(reading)))
                    desk.answer(segment, (chance.choice(["en", "de"]), chance.choice([0.2, 0.45, 0.9])))
        assert not waiting
        assert not cutting
        assert [indexes(unread(session)) for session in sessions] == [list(range(length)) for length in lengths]
        assert all(isinstance(unread(session)[-1], MediaSummary) for session in sessions)
        assert slots.free == slots.slots

    asyncio.run(play())
