"""Media workers and engines that die, hang or fall silent, on real processes and by real signals."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.operations.transcriber import HeardSegment, Transcription
from batchscribe_server.transcriber import LocalTranscriber
from batchscribe_server.transcriber.backoff import Backoff
from tests.scripted_children import (
    MULTILINGUAL,
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

IMPATIENT = replace(QUICK, media=replace(QUICK.media, stall_s=0.5))


async def all_free(transcriber: LocalTranscriber) -> None:
    await until(lambda: transcriber.status().free_slots == transcriber.status().slots)


async def begun(children: Children, batches: int = 1, engines: int = 1) -> None:
    """Wait until so many batches have been begun, by so many engines."""

    def enough() -> bool:
        pids = [batch["pid"] for batch in children.batches()]
        return len(pids) >= batches and len(set(pids)) >= engines

    await until(enough)


# media workers


@pytest.mark.parametrize("accident", ["SIGKILL", "SIGSEGV", "SIGXCPU", "stall", "babble", "lie"])
async def test_a_file_goes_on_with_another_worker_where_the_first_one_was_lost(tmp_path, accident):
    children = Children(tmp_path)
    file = write_script(tmp_path / "a.json", range(1, 9), accidents={5: accident}, accident_times=2)

    async with running(children.config(IMPATIENT)) as transcriber:
        events = await hear(transcriber, request(file))
        await all_free(transcriber)

    assert texts(events) == [f"said {v}" for v in range(1, 9)]
    assert sorted(v for batch in children.batches() for v in batch["values"]) == list(range(1, 9))


async def test_the_slot_of_a_worker_killed_while_it_fills_it_comes_back(tmp_path):
    # One slot lost with each death would leave none of the four.
    few = replace(QUICK, slots=4, media=replace(QUICK.media, max_crashes=10))
    file = write_script(tmp_path / "a.json", range(1, 13), accidents={5: "half"}, accident_times=4)
    children = Children(tmp_path)

    async with running(children.config(few)) as transcriber:
        events = await hear(transcriber, request(file))
        await all_free(transcriber)
        assert transcriber.status().slots == 4

    assert (tmp_path / "a.json.accidents").stat().st_size == 4
    assert texts(events) == [f"said {v}" for v in range(1, 13)]
    assert sorted(v for batch in children.batches() for v in batch["values"]) == list(range(1, 13))


async def test_sound_written_into_a_slot_by_a_process_that_no_longer_has_it_is_never_heard(tmp_path):
    bad = write_script(tmp_path / "bad.json", range(1, 9), accidents={3: "stray"})
    good = write_script(tmp_path / "good.json", range(50, 60))
    heard: list[Transcription] = []

    async with running(Children(tmp_path).config(TWO_WORKERS)) as transcriber:
        failed, others = await asyncio.gather(
            collect(transcriber.transcribe(request(bad)), heard),
            hear(transcriber, request(good)),
            return_exceptions=True,
        )
        await all_free(transcriber)

    assert isinstance(failed, JobFailure)
    assert failed.reason is Reason.INFERENCE_FAILED
    assert "holds generation" in failed.message
    assert texts(heard) == ["said 1", "said 2", "said 3"]
    assert texts(others) == [f"said {v}" for v in range(50, 60)]


async def test_a_file_that_kills_three_workers_fails_after_what_was_heard_of_it(tmp_path):
    bad = write_script(tmp_path / "bad.json", [1, 2, 3], accidents={2: "SIGSEGV"}, accident_times=99)
    good = write_script(tmp_path / "good.json", [8, 9])
    heard: list[Transcription] = []

    async with running(Children(tmp_path).config(IMPATIENT)) as transcriber:
        with pytest.raises(JobFailure, match=r"3 times \(SIGSEGV\)") as failure:
            await collect(transcriber.transcribe(request(bad)), heard)
        assert texts(await hear(transcriber, request(good))) == ["said 8", "said 9"]
        await all_free(transcriber)

    assert failure.value.reason is Reason.DECODE_FAILED
    assert texts(heard) == ["said 1", "said 2"]
    assert (tmp_path / "bad.json.accidents").stat().st_size == 3


async def test_all_files_end_whole_however_often_all_workers_are_killed(tmp_path):
    config = replace(TWO_WORKERS, media=replace(TWO_WORKERS.media, max_crashes=10))
    files = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 40), length_ms=300) for n in range(1, 5)]
    children = Children(tmp_path, {"delay_s": 0.02})

    async with running(children.config(config)) as transcriber:
        hearing = asyncio.gather(*(hear(transcriber, request(file)) for file in files))
        for batches in (1, 6, 12):
            await begun(children, batches)
            for pid in children_of_this_process("scripted_media"):
                os.kill(pid, signal.SIGKILL)
        heard = await hearing
        await all_free(transcriber)

    assert [texts(events) for events in heard] == [
        [f"said {v}" for v in range(100 * n, 100 * n + 40)] for n in range(1, 5)
    ]


async def test_children_are_not_blamed_for_a_silence_in_which_the_server_itself_stood_still(tmp_path):
    file = write_script(tmp_path / "a.json", range(1, 9), accidents={1: "pause"})

    async with running(Children(tmp_path).config(IMPATIENT)) as transcriber:
        children = children_of_this_process("scripted_")
        async with aclosing(transcriber.transcribe(request(file))) as events:
            heard = [await anext(events), await anext(events)]
            (tmp_path / "a.json.go").touch()
            time.sleep(1.2)  # longer than either may be silent; as under SIGSTOP, the children go on meanwhile
            heard += [event async for event in events]
        assert children_of_this_process("scripted_") == children

    assert texts(heard) == [f"said {v}" for v in range(1, 9)]


async def test_workers_that_die_before_any_file_are_replaced_ever_more_slowly(tmp_path):
    starts = tmp_path / "starts"
    code = f"""
import os, sys, time
from batchscribe_engine.channel import BlockingChannel
from batchscribe_engine.messages import *
with open({str(starts)!r}, "a") as file:
    print(time.monotonic(), file=file)
BlockingChannel(int(sys.argv[2]), ToMediaWorker).send(WorkerReady(os.getpid()))
"""
    config = Children(tmp_path).config(replace(QUICK, backoff=Backoff(first_s=0.3, longest_s=0.6)))

    async with LocalTranscriber(replace(config, media_argv=(sys.executable, "-c", code))):
        await until(lambda: starts.exists() and len(starts.read_text().splitlines()) >= 3)

    first, second, third = map(float, starts.read_text().splitlines()[:3])
    assert second - first >= 0.3
    assert third - second >= 0.6


async def test_an_idle_worker_that_is_killed_is_replaced(tmp_path):
    async with running(Children(tmp_path).config(IMPATIENT)) as transcriber:
        (first,) = children_of_this_process("scripted_media")
        os.kill(first, signal.SIGKILL)
        await until(lambda: not transcriber.ready)
        assert "media" in transcriber.status().reason
        await transcriber.wait_ready()
        assert children_of_this_process("scripted_media") != {first}
        assert texts(await hear(transcriber, request(write_script(tmp_path / "a.json", [1])))) == ["said 1"]


# the engine


async def test_a_killed_engine_is_replaced_and_nothing_is_lost_or_doubled(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.02}, concurrency=2)
    files = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 30)) for n in (1, 2, 3)]

    async with running(children.config(TWO_WORKERS)) as transcriber:
        hearing = asyncio.gather(*(hear(transcriber, request(file)) for file in files))
        for kills in range(1, 4):
            await begun(children, engines=kills)
            (engine,) = children_of_this_process("scripted_engine")
            os.kill(engine, signal.SIGKILL)
        heard = await hearing
        await all_free(transcriber)

    assert [texts(events) for events in heard] == [
        [f"said {v}" for v in range(100 * n, 100 * n + 30)] for n in (1, 2, 3)
    ]


async def test_slots_that_a_killed_engine_was_reading_are_read_by_the_next_one(tmp_path):
    children = Children(tmp_path, {"hang": [1]})
    patient = replace(QUICK, slots=4, watchdog=replace(QUICK.watchdog, floor_s=60.0))
    file = write_script(tmp_path / "a.json", range(1, 21))

    async with running(children.config(patient)) as transcriber:
        hearing = asyncio.create_task(hear(transcriber, request(file)))
        # All slots that one file may have are taken, and the engine has begun to read.
        await until(lambda: len(children.batches()) == 1 and transcriber.status().free_slots == 1)
        children.engine_script = {}
        children.write()
        (engine,) = children_of_this_process("scripted_engine")
        os.kill(engine, signal.SIGKILL)
        events = await hearing
        await all_free(transcriber)

    assert texts(events) == [f"said {v}" for v in range(1, 21)]
    first, *later = children.batches()
    assert first["pid"] == engine
    assert engine not in {batch["pid"] for batch in later}
    assert sorted(v for batch in later for v in batch["values"]) == list(range(1, 21))


@pytest.mark.parametrize(("fault", "reason"), [("crash", Reason.ENGINE_CRASHED), ("hang", Reason.INFERENCE_TIMEOUT)])
async def test_a_segment_that_ends_the_engine_fails_its_own_file_only(tmp_path, fault, reason):
    children = Children(tmp_path, {fault: [13]}, concurrency=2)
    bad = write_script(tmp_path / "bad.json", range(10, 18))
    good = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 12)) for n in (1, 2)]

    async with running(children.config(TWO_WORKERS)) as transcriber:
        failed, *heard = await asyncio.gather(
            *(hear(transcriber, request(file)) for file in (bad, *good)), return_exceptions=True
        )
        await all_free(transcriber)
        assert transcriber.status().waiting_segments == 0

    assert isinstance(failed, JobFailure)
    assert failed.reason is reason
    assert "at 4.5 s" in failed.message
    assert [texts(events) for events in heard] == [[f"said {v}" for v in range(100 * n, 100 * n + 12)] for n in (1, 2)]
    deadly = [batch["values"] for batch in children.batches() if 13 in batch["values"]]
    assert deadly[-3:] == [[13], [13], [13]]
    assert len(deadly) <= 7  # whole, in halves, and three times alone


async def test_a_stopped_engine_loses_its_heartbeat_and_is_replaced(tmp_path):
    children = Children(tmp_path, {"delay_s": 0.02})
    config = replace(QUICK, watchdog=replace(QUICK.watchdog, floor_s=60.0))
    file = write_script(tmp_path / "a.json", range(1, 60))

    async with running(children.config(config)) as transcriber:
        hearing = asyncio.create_task(hear(transcriber, request(file)))
        await until(lambda: len(children.batches()) >= 2)
        (engine,) = children_of_this_process("scripted_engine")
        os.kill(engine, signal.SIGSTOP)
        assert texts(await hearing) == [f"said {v}" for v in range(1, 60)]
        assert children_of_this_process("scripted_engine") != {engine}


async def test_a_model_whose_load_hangs_fails_its_own_file_though_another_ones_batch_runs(tmp_path):
    children = Children(tmp_path, {"hang_on_load": ["hanging"], "delay_s": 60.0}, concurrency=2)
    watchdog = replace(QUICK.watchdog, floor_s=60.0, start_s=1.0)
    good, bad = write_script(tmp_path / "good.json", [1]), write_script(tmp_path / "bad.json", [2])

    async with running(children.config(replace(QUICK, watchdog=watchdog, max_deaths=1))) as transcriber:
        hearing = asyncio.create_task(hear(transcriber, request(good)))
        await until(lambda: len(children.batches()) == 1)
        children.engine_script["delay_s"] = 0.0
        children.write()
        with pytest.raises(JobFailure, match="model hanging was not loaded within 1 s") as failure:
            await hear(transcriber, request(bad, model=replace(MULTILINGUAL, name="hanging", path="/models/hanging")))
        assert texts(await hearing) == ["said 1"]

    assert failure.value.reason is Reason.INFERENCE_TIMEOUT
    assert [batch["values"] for batch in children.batches()] == [[1], [1]]


async def test_an_engine_that_dies_loading_a_model_fails_the_files_that_want_it(tmp_path):
    children = Children(tmp_path, {"die_on_load": True})
    file = write_script(tmp_path / "a.json", [1])

    async with running(children.config()) as transcriber:
        with pytest.raises(JobFailure) as failure:
            await hear(transcriber, request(file))
        children.engine_script = {}
        children.write()
        await until(lambda: transcriber.ready)
        await all_free(transcriber)

    assert failure.value.reason is Reason.ENGINE_CRASHED
    assert "SIGKILL" in failure.value.message


async def test_a_file_closed_while_the_engine_hangs_on_it_gives_its_slots_back_and_harms_nobody(tmp_path):
    children = Children(tmp_path, {"hang": [3]})
    bad, good = write_script(tmp_path / "bad.json", [1, 2, 3, 4]), write_script(tmp_path / "good.json", range(50, 60))

    async with running(children.config()) as transcriber:
        async with aclosing(transcriber.transcribe(request(bad))) as events:
            async for event in events:
                if isinstance(event, HeardSegment) or any(3 in batch["values"] for batch in children.batches()):
                    break
            await until(lambda: any(3 in batch["values"] for batch in children.batches()))
        assert texts(await hear(transcriber, request(good))) == [f"said {v}" for v in range(50, 60)]
        await all_free(transcriber)

    assert sum(3 in batch["values"] for batch in children.batches()) == 1
