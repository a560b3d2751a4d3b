"""Files that are heard in sequence, side by side with others, over scripted children on real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.transcriber import HeardSegment, TranscriptionRequest
from tests.scripted_children import QUICK, TWO_WORKERS, Children, hear, request, running, texts, until
from tests.scripted_media import write_script
from tests.sequential_desk import IN_SEQUENCE

BLOCK_MS = 29_984


def blocks_of(path: Path, values: range, accidents: dict[int, str] | None = None) -> Path:
    """A file of which every block is full of one value."""
    return write_script(path, values, length_ms=BLOCK_MS, gap_ms=0, accidents=accidents)


def in_sequence(path: Path, **changes: object) -> TranscriptionRequest:
    return request(path, config=IN_SEQUENCE, **changes)


async def test_files_are_heard_in_sequence_side_by_side_with_others(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.02}, concurrency=2)
    calls = [blocks_of(tmp_path / f"{n}.json", range(100 * n, 100 * n + 6)) for n in (1, 2, 3)]
    shorts = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 12)) for n in (4, 5)]

    async with running(children.config(TWO_WORKERS)) as transcriber:
        heard = await asyncio.gather(
            *(hear(transcriber, in_sequence(file)) for file in calls),
            *(hear(transcriber, request(file)) for file in shorts),
        )
        await until(lambda: transcriber.status().free_slots == transcriber.status().slots)

    for n, events in zip((1, 2, 3), heard[:3], strict=True):
        assert texts(events) == [f"said {100 * n + k}" for k in range(6)]
        times = [(event.start_ms, event.end_ms) for event in events if isinstance(event, HeardSegment)]
        assert [start for start, _ in times] == [30_000 * k for k in range(6)]
        assert times[-1][1] == 6 * BLOCK_MS // 10 * 10
    assert [texts(events) for events in heard[3:]] == [[f"said {100 * n + k}" for k in range(12)] for n in (4, 5)]
    windows = [batch["values"] for batch in children.batches() if batch["values"][0] < 400]
    assert [len(values) for values in windows] == [1] * 18


async def test_many_of_them_never_block_each_other_on_the_fewest_slots(tmp_path):
    files = [blocks_of(tmp_path / f"{n}.json", range(100 * n, 100 * n + 5)) for n in range(1, 7)]
    tight = replace(TWO_WORKERS, slots=1, media=replace(TWO_WORKERS.media, workers=3))

    async with running(Children(tmp_path, concurrency=2).config(tight)) as transcriber:
        heard = await asyncio.gather(*(hear(transcriber, in_sequence(file)) for file in files))
        assert transcriber.status().free_slots == transcriber.status().slots == 8

    assert [len(texts(events)) for events in heard] == [5] * 6


async def test_a_window_is_sent_again_when_the_engine_dies_and_blocks_when_the_worker_does(tmp_path):
    children = Children(tmp_path, {"hang": [103]})
    file = blocks_of(tmp_path / "a.json", range(100, 106), accidents={2: "SIGKILL", 5: "SIGSEGV"})
    config = replace(QUICK, watchdog=replace(QUICK.watchdog, floor_s=60.0, heartbeat_s=60.0, start_s=60.0))

    async with running(children.config(config)) as transcriber:
        hearing = asyncio.create_task(hear(transcriber, in_sequence(file)))
        await until(lambda: [103] in [batch["values"] for batch in children.batches()])
        children.engine_script = {}
        children.write()
        os.kill(children.batches()[-1]["pid"], signal.SIGKILL)
        events = await hearing

    assert texts(events) == [f"said {100 + k}" for k in range(6)]
    assert [batch["values"][0] for batch in children.batches()] == [100, 101, 102, 103, 103, 104, 105]


async def test_a_window_that_kills_every_engine_fails_its_own_file(tmp_path):
    children = Children(tmp_path, {"crash": [102]})
    bad, good = blocks_of(tmp_path / "a.json", range(100, 104)), blocks_of(tmp_path / "b.json", range(200, 204))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        failed, heard = await asyncio.gather(
            hear(transcriber, in_sequence(bad)), hear(transcriber, in_sequence(good)), return_exceptions=True
        )
        await until(lambda: transcriber.status().free_slots == transcriber.status().slots)

    assert isinstance(failed, JobFailure)
    assert failed.reason is Reason.ENGINE_CRASHED
    assert "at 60.0 s" in failed.message
    assert isinstance(heard, list)
    assert texts(heard) == [f"said {200 + k}" for k in range(4)]


async def test_an_interrupted_file_goes_on_from_the_time_that_was_stored(tmp_path):
    file = blocks_of(tmp_path / "a.json", range(100, 105))

    async with running(Children(tmp_path).config()) as transcriber:
        events = await hear(transcriber, in_sequence(file, first_segment=2, resume_at_ms=60_000))

    heard = [event for event in events if isinstance(event, HeardSegment)]
    assert [(event.index, event.start_ms, event.text) for event in heard] == [
        (2, 60_000, "said 102"),
        (3, 90_000, "said 103"),
        (4, 120_000, "said 104"),
    ]
    assert heard[-1].end_ms == pytest.approx(5 * BLOCK_MS, abs=10)
