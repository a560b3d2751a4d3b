"""The windows of a file that is heard in sequence: what sound they hold, what they are told, and what becomes of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchscribe_engine.arena import Arena
from batchscribe_engine.messages import Context, InferWindow, Passage, WindowResult, Word
from batchscribe_server.domain.recognition import VoiceActivity
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.operations.transcriber import DecodingProgress, HeardSegment, MediaSummary, Transcription
from batchscribe_server.transcriber.sequential import MAX_BLOCKS
from batchscribe_server.transcriber.slots import GUARANTEED
from tests.sequential_desk import ENGLISH, IN_SEQUENCE, SequentialDesk, blocks, in_sequence

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.int16]

RATE_HZ = 16_000


def numbered(samples: int) -> Samples:
    """Sound of which every sample tells its place, near enough."""
    return (np.arange(samples) % 65_521 - 32_760).astype(np.int16)


def engine(advance: Callable[[InferWindow], int], recording: Samples | None = None) -> Callable[..., WindowResult]:
    """An engine that hears one passage in each window and goes on `advance` frames later."""

    def answer(message: InferWindow, arena: Arena) -> WindowResult:
        window = message.window
        sound = np.concatenate(
            [arena.read(s.slot, s.generation)[s.first_sample : s.first_sample + s.samples] for s in window.spans]
        )
        if recording is not None:
            first = (window.start_frame - window.lead_frames) * 160
            wanted_end = (window.start_frame + window.frames + 1) * 160
            assert np.array_equal(sound, recording[first : min(wanted_end, recording.size)])
            assert window.lead_frames == min(2, window.start_frame)
            assert window.at_end == (wanted_end >= recording.size)
            assert window.frames == min(3000, recording.size // 160 - window.start_frame)
        next_frame = window.start_frame + min(advance(message), window.frames)
        start_ms, end_ms = 10 * window.start_frame, 10 * next_frame
        number = len(window.context.tokens) if window.context else 0
        return WindowResult(
            window.segment_id,
            text="yes",
            language=window.language or "de",
            language_candidates=() if window.language else (("de", 0.7), ("en", 0.2)),
            avg_log_prob=0.0,
            passages=(Passage(f"said {number}", start_ms, end_ms, (Word("said", start_ms, end_ms, 0.5),)),),
            next_frame=next_frame,
            context=Context(tokens=(1,) * (number + 1), spoken_until_s=end_ms / 1000),
        )

    return answer


def segments(events: list[Transcription]) -> list[HeardSegment]:
    return [event for event in events if isinstance(event, HeardSegment)]


@settings(max_examples=60)
@given(
    samples=st.integers(0, 130 * RATE_HZ),
    advances=st.lists(st.integers(900, 3000), min_size=1, max_size=5),
    slots=st.integers(GUARANTEED + 1, 8),
)
def test_windows_follow_each_other_and_hold_their_sound(samples: int, advances: list[int], slots: int) -> None:
    recording = numbered(samples)
    steps = itertools.cycle(advances)
    desk = SequentialDesk(engine(lambda _: next(steps), recording), slots)
    events = asyncio.run(desk.hear(blocks(recording), in_sequence()))
    heard = segments(events)
    assert [each.index for each in heard] == list(range(len(heard)))
    assert [each.text for each in heard] == [f"said {number}" for number in range(len(heard))]
    ends = [0, *(each.end_ms for each in heard)]
    assert [each.start_ms for each in heard] == ends[:-1]
    assert ends[-1] == samples // 160 * 10
    assert isinstance(events[-1], MediaSummary)
    assert desk.most_held <= MAX_BLOCKS


@settings(max_examples=30)
@given(seconds=st.integers(1, 100), stored=st.integers(0, 8), advance=st.integers(700, 3000))
def test_an_interrupted_file_goes_on_where_its_last_stored_segment_ended(
    seconds: int, stored: int, advance: int
) -> None:
    recording = numbered(seconds * RATE_HZ)
    whole = segments(asyncio.run(SequentialDesk(engine(lambda _: advance)).hear(blocks(recording), in_sequence())))
    before = whole[:stored]
    resume_at_ms = before[-1].end_ms if before else 0
    desk = SequentialDesk(engine(lambda _: advance, recording))
    again = in_sequence(first_segment=len(before), resume_at_ms=resume_at_ms)
    after = segments(asyncio.run(desk.hear(blocks(recording), again)))
    assert [(e.index, e.start_ms, e.end_ms) for e in (*before, *after)] == [
        (e.index, e.start_ms, e.end_ms) for e in whole
    ]
    if desk.windows:
        assert desk.windows[0].task.context is None, "nothing is left of the text before"


async def test_the_language_is_found_in_the_first_window() -> None:
    model = replace(ENGLISH, languages=("en", "de"))
    desk = SequentialDesk(engine(lambda _: 3000))
    heard = segments(await desk.hear(blocks(numbered(70 * RATE_HZ)), in_sequence(model=model)))
    assert [window.task.language for window in desk.windows] == ["", "de", "de"]
    assert {each.language for each in heard} == {DetectedLanguage("de", 0.7)}
    assert {each.confidence for each in heard} == {1.0}


@settings(max_examples=60)
@given(
    samples=st.integers(160, 70 * RATE_HZ),
    offset_ms=st.integers(0, 5_000),
    passages=st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 30_000)), min_size=1, max_size=5),
)
def test_nothing_is_timed_after_the_recordings_end(
    samples: int, offset_ms: int, passages: list[tuple[int, int]]
) -> None:
    def careless(message: InferWindow, _: Arena) -> WindowResult:
        window = message.window
        start_ms = 10 * window.start_frame
        times = [(start_ms + begin, start_ms + begin + length) for begin, length in passages]
        return WindowResult(
            window.segment_id,
            text="yes",
            language="en",
            passages=tuple(Passage("yes", *each, (Word("yes", *each, 0.5),)) for each in times),
            next_frame=window.start_frame + 3000,
        )

    first = offset_ms // 10 * 160
    stretches = [(first + start, block) for start, block in blocks(numbered(samples))]
    asked = in_sequence(config=replace(IN_SEQUENCE, start_offset_ms=offset_ms))
    events = asyncio.run(SequentialDesk(careless).hear(stretches, asked))
    end_ms = (first + samples) // 16
    heard = segments(events)
    assert heard
    for each in heard:
        assert each.start_ms <= each.end_ms <= end_ms
        assert all(word.start_ms <= word.end_ms <= end_ms for word in each.words)
    assert all(event.processed_ms <= end_ms for event in events if isinstance(event, DecodingProgress))


async def test_silence_before_the_speech_tells_no_language_and_takes_no_prompt() -> None:
    model = replace(ENGLISH, languages=("en", "de"))
    speaks = engine(lambda _: 3000)

    def late(message: InferWindow, arena: Arena) -> WindowResult:
        window = message.window
        if window.start_frame < 3000:
            end_frame = window.start_frame + window.frames
            return WindowResult(window.segment_id, text="", next_frame=end_frame, context=window.context)
        return speaks(message, arena)

    desk = SequentialDesk(late)
    heard = segments(await desk.hear(blocks(numbered(70 * RATE_HZ)), in_sequence(model=model)))
    assert [window.task.language for window in desk.windows] == ["", "", "de"]
    assert [window.task.context is None for window in desk.windows] == [True, True, False]
    assert {each.language for each in heard} == {DetectedLanguage("de", 0.7)}


async def test_what_a_window_leaves_silent_is_told_as_progress() -> None:
    def silent(message: InferWindow, _: Arena) -> WindowResult:
        window = message.window
        return WindowResult(window.segment_id, text="", next_frame=window.start_frame + window.frames)

    events = await SequentialDesk(silent).hear(blocks(numbered(45 * RATE_HZ)), in_sequence())
    assert [event.processed_ms for event in events if isinstance(event, DecodingProgress)] == [30_000, 45_000]
    assert events[-1] == MediaSummary(45_000, 45_000, 0)


async def test_each_stretch_of_speech_is_heard_for_itself_with_the_text_before() -> None:
    speech = [(512 * 10, numbered(20 * RATE_HZ)), (512 * 2000, numbered(100)), (512 * 3000, numbered(5 * RATE_HZ))]
    asked = in_sequence(config=replace(IN_SEQUENCE, voice_activity=VoiceActivity(enabled=True)))
    desk = SequentialDesk(engine(lambda _: 1500))
    heard = segments(await desk.hear(speech, asked))
    assert [(each.start_ms, each.end_ms, each.text) for each in heard] == [
        (320, 15_320, "said 0"),
        (15_320, 20_320, "said 1"),
        (96_000, 101_000, "said 2"),
    ]
    last = desk.windows[-1].task
    assert (last.start_frame, last.lead_frames, last.frames, last.at_end) == (0, 0, 500, True)
    assert last.context is not None
    assert last.context.spoken_until_s == pytest.approx(20.0 - (96.0 - 0.32))

    again = SequentialDesk(engine(lambda _: 1500))
    rest = await again.hear(speech, replace(asked, first_segment=1, resume_at_ms=15_320))
    assert [(each.index, each.start_ms) for each in segments(rest)] == [(1, 15_320), (2, 96_000)]


async def test_a_file_that_nobody_waits_for_gives_its_slots_back_and_queues_nothing() -> None:
    desk = SequentialDesk(engine(lambda _: 3000))
    await desk.hear(blocks(numbered(200 * RATE_HZ)), in_sequence(), max_windows=2)
    assert len(desk.windows) == 2
    assert not desk.queued
