"""Several engines over one arena, on real processes: they share the work, and what one leaves the others finish."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.transcriber import LocalTranscriber
from tests.scripted_children import (
    QUICK,
    TWO_WORKERS,
    Children,
    children_of_this_process,
    hear,
    request,
    running,
    texts,
    until,
)
from tests.scripted_media import write_script

pytestmark = pytest.mark.slow

VALUES = {n: list(range(100 * n, 100 * n + 24)) for n in (1, 2, 3)}
EVERYTHING = [value for values in VALUES.values() for value in values]
SAID = [[f"said {value}" for value in values] for values in VALUES.values()]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return [write_script(tmp_path / f"{n}.json", values) for n, values in VALUES.items()]


async def all_at_work(transcriber: LocalTranscriber) -> None:
    await until(lambda: transcriber.status().reason == "")


async def all_heard(transcriber: LocalTranscriber, files: list[Path]) -> list[list[str]]:
    heard = await asyncio.gather(*(hear(transcriber, request(file)) for file in files))
    await until(lambda: transcriber.status().free_slots == transcriber.status().slots)
    return [texts(events) for events in heard]


def batches_of(children: Children) -> Counter[str]:
    """How many batches each engine started."""
    return Counter(batch["engine"] for batch in children.batches())


async def test_engines_share_the_work_and_do_nothing_twice(tmp_path, files):
    children = Children(tmp_path, {"delay_s": 0.03}, more_engines=({"delay_s": 0.03},))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        await all_at_work(transcriber)
        status = transcriber.status()
        assert await all_heard(transcriber, files) == SAID
        await until(lambda: transcriber.status().loaded_models == ("scripted",))

    assert (status.device, status.compute_type) == ("cpu, cpu", "scripted")
    shares = batches_of(children)
    assert min(shares["engine-0"], shares["engine-1"]) >= 3
    assert sorted(value for batch in children.batches() for value in batch["values"]) == EVERYTHING
    assert len({batch["batch"] for batch in children.batches()}) == len(children.batches())


async def test_what_a_lost_engine_had_is_done_by_the_other_one(tmp_path, files):
    children = Children(tmp_path, {"delay_s": 0.03}, more_engines=({"delay_s": 0.03},))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        await all_at_work(transcriber)
        hearing = asyncio.create_task(all_heard(transcriber, files))
        await until(lambda: len(batches_of(children)) == 2)
        children.more_engines = ({"exit_at_start": 3},)
        children.write()
        os.kill(next(batch["pid"] for batch in children.batches() if batch["engine"] == "engine-1"), signal.SIGKILL)
        assert await hearing == SAID
        await until(lambda: "exit code 3" in transcriber.status().reason)
        assert transcriber.ready
        assert transcriber.status().reason.startswith("engine 2 of 2: the engine does not start")
        assert transcriber.status().device == "cpu"


async def test_nothing_is_lost_when_all_engines_die_at_once(tmp_path, files):
    children = Children(tmp_path, {"delay_s": 0.03}, more_engines=({"delay_s": 0.03},))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        await all_at_work(transcriber)
        hearing = asyncio.create_task(all_heard(transcriber, files))
        await until(lambda: len(batches_of(children)) == 2)
        for pid in children_of_this_process("scripted_engine"):
            os.kill(pid, signal.SIGKILL)
        await until(lambda: not transcriber.ready)
        assert await hearing == SAID


async def test_an_engine_that_never_starts_holds_nobody_up(tmp_path, files):
    children = Children(tmp_path, more_engines=({"exit_at_start": 3},))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        assert await all_heard(transcriber, files) == SAID
        await until(lambda: "will not start" in transcriber.status().reason)
        assert transcriber.ready

    assert set(batches_of(children)) == {"engine-0"}


@pytest.mark.parametrize("fault", ["die_on_load", "crash", "fail"])
async def test_a_device_that_is_broken_for_good_costs_no_file(tmp_path, files, fault):
    broken = {
        "die_on_load": True,
        "crash": EVERYTHING,
        "fail": {str(value): "INFERENCE_FAILED" for value in EVERYTHING},
    }[fault]
    children = Children(tmp_path, {"delay_s": 0.03}, more_engines=({fault: broken},))
    config = replace(TWO_WORKERS, max_deaths=2)

    async with running(children.config(config)) as transcriber:
        await all_at_work(transcriber)
        assert await all_heard(transcriber, files) == SAID


async def test_a_segment_that_kills_one_engine_after_the_other_fails_its_own_file_only(tmp_path, files):
    children = Children(tmp_path, {"crash": [13], "delay_s": 0.01}, more_engines=({"crash": [13], "delay_s": 0.01},))
    bad = write_script(tmp_path / "bad.json", range(10, 18))

    async with running(children.config(TWO_WORKERS)) as transcriber:
        await all_at_work(transcriber)
        failed, heard = await asyncio.gather(
            hear(transcriber, request(bad)), all_heard(transcriber, files[:2]), return_exceptions=True
        )

    assert isinstance(failed, JobFailure)
    assert failed.reason is Reason.ENGINE_CRASHED
    assert heard == SAID[:2]
    deadly = [batch["values"] for batch in children.batches() if 13 in batch["values"]]
    assert deadly[-3:] == [[13], [13], [13]]
    assert len(deadly) <= 8  # whole, in halves of up to sixteen, and three times alone


async def test_a_device_whose_memory_runs_out_gets_smaller_batches_and_slowly_larger_ones(tmp_path):
    children = Children(tmp_path, {"memory_s": 6.0, "most_s": 16.0, "delay_s": 0.01})
    file = write_script(tmp_path / "a.json", range(1, 401), length_ms=1000)

    async with running(children.config(replace(QUICK, slots=64))) as transcriber:
        events = await hear(transcriber, request(file))

    assert texts(events) == [f"said {value}" for value in range(1, 401)]
    sizes = [len(batch["values"]) for batch in children.batches()]
    limits_s = [batch["limit_s"] for batch in children.batches()]
    # A batch of 13 s fails and makes the limit 6.5 s, at which the next one fails again.
    learned = next(place for place, limit_s in enumerate(limits_s) if limit_s <= 6.0)
    grown = next(place for place in range(learned, len(limits_s)) if limits_s[place] > limits_s[learned])
    assert max(sizes[:learned]) > 6
    # The batch that was made before the limit was known is in the engine by then.
    assert max(sizes[learned + 1 : grown]) <= limits_s[learned]
    assert max(sizes[grown:]) > limits_s[learned]
