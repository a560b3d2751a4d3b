"""The transcriber over scripted children, on real processes and real shared memory."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from contextlib import aclosing
from dataclasses import replace

import psutil
import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Word
from batchscribe_server.operations.transcriber import HeardSegment, MediaSummary, TranscriberClosedError
from batchscribe_server.transcriber import LocalTranscriber
from batchscribe_server.transcriber.stream import MAX_UNREAD
from tests.scripted_children import (
    PATIENCE_S,
    QUICK,
    TWO_WORKERS,
    Children,
    children_of_this_process,
    collect,
    hear,
    request,
    running,
    texts,
    until,
)
from tests.scripted_media import write_script


def languages_asked(children: Children) -> list[tuple[int, str]]:
    """Each segment that was decoded, by its value, with the language it was decoded in."""
    return [pair for batch in children.batches() for pair in zip(batch["values"], batch["languages"], strict=True)]


async def test_a_file_gives_its_description_its_segments_in_order_and_its_summary(tmp_path):
    file = write_script(tmp_path / "a.json", [11, 12, 13], length_ms=1000, warning="the tail is damaged")

    async with running(Children(tmp_path).config()) as transcriber:
        events = await hear(transcriber, request(file))

    assert events[0] == MediaDescription("json", "scripted", 16_000, 1, 4500)
    assert events[1] == HeardSegment(
        index=0,
        start_ms=0,
        end_ms=1000,
        text="said 11",
        words=(Word("said", 0, 500, 0.8), Word("11", 500, 1000, 0.9)),
        language=DetectedLanguage("en", 1.0),
        confidence=pytest.approx(0.9048, abs=1e-3),  # type: ignore[arg-type]  # equal to what is near
    )
    assert [(e.index, e.start_ms, e.words[1].end_ms) for e in events[2:4] if isinstance(e, HeardSegment)] == [
        (1, 1500, 2500),
        (2, 3000, 4000),
    ]
    assert events[4] == MediaSummary(4500, 3000, 3, "the tail is damaged")
    assert len(events) == 5


async def test_many_files_at_once_each_get_their_own_segments_and_all_slots_come_back(tmp_path):
    values = {n: list(range(100 * n, 100 * n + 23)) for n in range(1, 7)}
    files = {n: write_script(tmp_path / f"{n}.json", v, length_ms=200 * n) for n, v in values.items()}

    async with running(Children(tmp_path, concurrency=2).config(TWO_WORKERS)) as transcriber:
        heard = await asyncio.gather(*(hear(transcriber, request(file)) for file in files.values()))
        await until(lambda: transcriber.status().free_slots == transcriber.status().slots)

    assert [texts(events) for events in heard] == [[f"said {v}" for v in values[n]] for n in files]


async def test_segments_of_several_files_share_batches(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.05})
    files = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 16)) for n in (1, 2)]

    async with running(children.config(TWO_WORKERS)) as transcriber:
        await asyncio.gather(*(hear(transcriber, request(file)) for file in files))

    owners = [{value // 100 for value in batch["values"]} for batch in children.batches()]
    assert {1, 2} in owners
    assert max(len(batch["values"]) for batch in children.batches()) <= QUICK.batches.max_segments


async def files_wait(transcriber: LocalTranscriber, files: int) -> None:
    await until(lambda: transcriber.status().waiting_files == files)


async def test_a_file_that_gets_a_higher_priority_while_it_waits_for_a_worker_is_next(tmp_path):
    # The one worker is kept by the first file until all have asked.
    first = write_script(tmp_path / "first.json", [1, 2], accidents={1: "pause"})
    usual, urgent = (write_script(tmp_path / f"{name}.json", [3]) for name in ("usual", "urgent"))
    opened = []

    async def open_and_hear(transcriber, file):
        async with aclosing(transcriber.transcribe(request(file, batch_id=file.stem))) as events:
            opened.extend([file.stem async for event in events if isinstance(event, MediaDescription)])

    patient = replace(QUICK, media=replace(QUICK.media, stall_s=PATIENCE_S))
    async with running(Children(tmp_path).config(patient)) as transcriber, asyncio.TaskGroup() as tasks:
        for waiting, file in enumerate((first, usual, urgent)):
            tasks.create_task(open_and_hear(transcriber, file))
            await files_wait(transcriber, waiting)
        transcriber.prioritize("urgent", 1)
        (tmp_path / "first.json.go").touch()

    assert opened == ["first", "urgent", "usual"]


async def test_an_interrupted_run_goes_on_at_its_first_segment(tmp_path):
    file = write_script(tmp_path / "a.json", [1, 2, 3, 4])

    async with running(Children(tmp_path).config()) as transcriber:
        events = await hear(transcriber, request(file, first_segment=2))

    assert [(e.index, e.text) for e in events if isinstance(e, HeardSegment)] == [(2, "said 3"), (3, "said 4")]
    summary = events[-1]
    assert isinstance(summary, MediaSummary)
    assert summary.segments == 4


async def test_a_file_that_cannot_be_decoded_fails_with_the_workers_reason_and_others_go_on(tmp_path):
    bad = write_script(tmp_path / "bad.json", [], failure=("NO_AUDIO", "the file has no audio stream"))
    good = write_script(tmp_path / "good.json", [5])

    async with running(Children(tmp_path).config()) as transcriber:
        with pytest.raises(JobFailure, match="no audio stream") as failure:
            await hear(transcriber, request(bad))
        assert texts(await hear(transcriber, request(good))) == ["said 5"]

    assert failure.value.reason is Reason.NO_AUDIO


async def test_a_model_that_cannot_be_loaded_fails_its_files_only(tmp_path):
    children = Children(tmp_path, {"fail": {"7": "MODEL_UNAVAILABLE"}})
    bad, good = write_script(tmp_path / "bad.json", [7]), write_script(tmp_path / "good.json", [8])

    async with running(children.config()) as transcriber:
        with pytest.raises(JobFailure) as failure:
            await hear(transcriber, request(bad))
        assert texts(await hear(transcriber, request(good))) == ["said 8"]

    assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    assert len(children.batches()) == 2


async def test_a_batch_too_large_for_the_memory_is_run_in_halves(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.05, "too_many": 2})
    file = write_script(tmp_path / "a.json", range(1, 17))

    async with running(children.config()) as transcriber:
        events = await hear(transcriber, request(file))

    assert texts(events) == [f"said {v}" for v in range(1, 17)]
    sizes = [len(batch["values"]) for batch in children.batches()]
    assert max(sizes) > 2
    assert sum(size for size in sizes if size <= 2) == 16


async def test_a_segment_too_large_even_alone_fails_its_file(tmp_path):
    children = Children(tmp_path, {"fail": {"3": "INFERENCE_OUT_OF_MEMORY"}})
    bad, good = write_script(tmp_path / "bad.json", [1, 2, 3, 4]), write_script(tmp_path / "good.json", range(50, 60))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        failed, heard = await asyncio.gather(
            hear(transcriber, request(bad)), hear(transcriber, request(good)), return_exceptions=True
        )

    assert isinstance(failed, JobFailure)
    assert failed.reason is Reason.INFERENCE_OUT_OF_MEMORY
    assert texts(heard) == [f"said {v}" for v in range(50, 60)]
    assert sum(batch["values"] == [3] for batch in children.batches()) == 3


async def test_a_sure_first_segment_settles_the_language_and_the_others_are_decoded_in_it(tmp_path):
    children = Children(tmp_path, {"languages": {"1": [["de", 0.8], ["en", 0.1]]}})
    file = write_script(tmp_path / "a.json", [1, 2, 3, 4, 5])

    async with running(children.config()) as transcriber:
        events = await hear(transcriber, request(file, language=""))

    assert {e.language for e in events if isinstance(e, HeardSegment)} == {DetectedLanguage("de", 0.8)}
    asked = {
        v: lang for batch in children.batches() for v, lang in zip(batch["values"], batch["languages"], strict=True)
    }
    assert asked == {1: "", 2: "de", 3: "de", 4: "de", 5: "de"}


async def test_an_unsure_first_segment_is_outvoted_and_decoded_again(tmp_path):
    languages = {"1": [["fr", 0.4], ["de", 0.3]], "2": [["de", 0.45], ["fr", 0.1]], "3": [["de", 0.9]]}
    children = Children(tmp_path, {"languages": languages})
    file = write_script(tmp_path / "a.json", [1, 2, 3, 4, 5])

    async with running(children.config()) as transcriber:
        events = await hear(transcriber, request(file, language=""))

    assert texts(events) == ["said 1", "said 2", "said 3", "said 4", "said 5"]
    assert {e.language.code for e in events if isinstance(e, HeardSegment)} == {"de"}
    asked = [
        (v, lang) for batch in children.batches() for v, lang in zip(batch["values"], batch["languages"], strict=True)
    ]
    assert sorted(asked) == [(1, ""), (1, "de"), (2, ""), (3, ""), (4, "de"), (5, "de")]


async def test_a_model_of_one_language_is_not_asked_which(tmp_path):
    children = Children(tmp_path)
    english = Model("tiny.en", ModelSource.PATH, "/models/tiny.en", 1, ("en",))
    file = write_script(tmp_path / "a.json", [1])

    async with running(children.config()) as transcriber:
        events = await hear(transcriber, request(file, model=english, language=""))

    heard = events[1]
    assert isinstance(heard, HeardSegment)
    assert heard.language == DetectedLanguage("en", 1.0)
    assert [batch["languages"] for batch in children.batches()] == [["en"]]


async def test_a_slow_reader_stops_its_own_file_and_no_other(tmp_path):
    long = write_script(tmp_path / "long.json", range(1, 301), length_ms=200)
    short = write_script(tmp_path / "short.json", [1000, 1001])

    children = Children(tmp_path)

    def ahead() -> int:
        return sum(value < 1000 for batch in children.batches() for value in batch["values"])

    async with (
        running(children.config(TWO_WORKERS)) as transcriber,
        aclosing(transcriber.transcribe(request(long))) as slow,
    ):
        assert isinstance(await anext(slow), MediaDescription)
        assert texts(await hear(transcriber, request(short))) == ["said 1000", "said 1001"]
        # All that may be ahead of the reader is; its slots are free all the same, since results need none.
        await until(lambda: ahead() >= MAX_UNREAD and transcriber.status().free_slots == QUICK.slots)
        assert (await settled(transcriber)).free_slots == QUICK.slots
        assert ahead() < 300
        rest = [event async for event in slow]

    assert texts(rest) == [f"said {v}" for v in range(1, 301)]


async def settled(transcriber: LocalTranscriber):
    """The status once nothing moves any more."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            before = transcriber.status()
            await asyncio.sleep(0.1)
            if before == transcriber.status():
                return before


async def test_a_closed_file_gives_everything_back(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.02})
    file = write_script(tmp_path / "a.json", range(1, 200))

    async with running(children.config()) as transcriber:
        async with aclosing(transcriber.transcribe(request(file))) as events:
            assert [type(await anext(events)) for _ in range(3)] == [MediaDescription, HeardSegment, HeardSegment]
        assert transcriber.status().waiting_segments == 0
        await until(lambda: transcriber.status().free_slots == transcriber.status().slots)
        heard = sum(len(batch["values"]) for batch in children.batches())
        assert texts(await hear(transcriber, request(write_script(tmp_path / "b.json", [900])))) == ["said 900"]

    assert heard < 60


async def test_a_file_closed_while_it_waits_for_a_worker_is_never_opened(tmp_path):
    first, second = write_script(tmp_path / "1.json", range(1, 200)), write_script(tmp_path / "2.json", [999])
    children = Children(tmp_path, {"delay_s": 0.02})

    async with running(children.config()) as transcriber:
        async with aclosing(transcriber.transcribe(request(first))) as events:
            await anext(events)
            waiting = asyncio.create_task(hear(transcriber, request(second)))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert texts(await hear(transcriber, request(write_script(tmp_path / "3.json", [5])))) == ["said 5"]

    assert 999 not in itertools.chain.from_iterable(batch["values"] for batch in children.batches())


async def test_status_tells_of_the_engine_and_its_models(tmp_path):
    async with running(Children(tmp_path).config()) as transcriber:
        await hear(transcriber, request(write_script(tmp_path / "a.json", [1])))
        await until(lambda: transcriber.status().loaded_models == ("scripted",))
        status = transcriber.status()

    assert (status.ready, status.reason) == (True, "")
    assert (status.device, status.compute_type) == ("cpu", "scripted")
    assert (status.slots, status.waiting_segments) == (16, 0)


async def test_an_engine_that_does_not_start_is_told_and_work_waits_for_one_that_does(tmp_path):
    children = Children(tmp_path, {"exit_at_start": 3})
    file = write_script(tmp_path / "a.json", [1, 2])

    async with LocalTranscriber(children.config()) as transcriber:
        hearing = asyncio.create_task(hear(transcriber, request(file)))
        await until(lambda: "does not start" in transcriber.status().reason)
        status = transcriber.status()
        assert not hearing.done()
        children.engine_script = {}
        children.write()
        assert texts(await hearing) == ["said 1", "said 2"]
        assert transcriber.ready

    assert not status.ready
    assert "exit code 3" in status.reason
    assert "will not start" in status.reason


async def test_a_file_that_is_open_when_the_transcriber_is_closed_neither_ends_nor_fails(tmp_path):
    file = write_script(tmp_path / "a.json", range(1, 200))

    async with running(Children(tmp_path, {"delay_s": 0.02}).config()) as transcriber:
        events = transcriber.transcribe(request(file))
        assert isinstance(await anext(events), MediaDescription)
    with pytest.raises(TranscriberClosedError):
        await collect(events, [])
    with pytest.raises(TranscriberClosedError):
        await hear(transcriber, request(file))


async def test_an_error_around_the_transcriber_is_not_wrapped_by_it(tmp_path):
    with pytest.raises(ZeroDivisionError):
        async with running(Children(tmp_path).config()):
            raise ZeroDivisionError


async def test_the_worker_is_told_what_the_file_was_called(tmp_path):
    file = write_script(tmp_path / "0199a-spooled", [1])

    async with running(Children(tmp_path).config()) as transcriber:
        events = await hear(transcriber, request(file, file_name="call.g722"))

    described = events[0]
    assert isinstance(described, MediaDescription)
    assert described.container == "g722"


async def test_each_child_has_a_session_of_its_own_so_that_an_interrupt_at_the_terminal_spares_it(tmp_path):
    async with running(Children(tmp_path).config()):
        sessions = {pid: os.getsid(pid) for pid in children_of_this_process("scripted_")}

    assert len(sessions) == 2
    assert all(session == pid for pid, session in sessions.items())


async def test_a_stopped_engine_is_killed_at_the_end(tmp_path):
    config = replace(QUICK, grace_s=0.2, watchdog=replace(QUICK.watchdog, heartbeat_s=60.0))

    async with running(Children(tmp_path).config(config)):
        for pid in children_of_this_process("scripted_"):
            psutil.Process(pid).send_signal(signal.SIGSTOP)
