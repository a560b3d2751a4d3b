"""What the transcriber tells those who count, on real processes: the metrics against the journal of the engine."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.metrics.engine import EngineMetrics
from batchscribe_server.metrics.exposition import new_registry
from batchscribe_server.transcriber import LocalTranscriber
from tests.scripted_children import (
    MULTILINGUAL,
    QUICK,
    TWO_WORKERS,
    Children,
    hear,
    request,
    running,
    texts,
    until,
)
from tests.scripted_media import write_script

RATE_HZ = 16_000


@pytest.fixture
def registry() -> CollectorRegistry:
    return new_registry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """A metric's value, 0 when nothing was counted yet."""
    return registry.get_sample_value(f"batchscribe_{name}", labels) or 0.0


async def test_batches_audio_and_padding_are_those_of_the_engine(tmp_path, registry):
    children = Children(tmp_path, {"delay_s": 0.03})
    files = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 14), length_ms=900 * n) for n in (1, 2, 3)]

    async with running(children.config(TWO_WORKERS), EngineMetrics(registry)) as transcriber:
        await asyncio.gather(*(hear(transcriber, request(file)) for file in files))

    batches = [batch["samples"] for batch in children.batches()]
    padded_s = sum(max(samples) * len(samples) for samples in batches) / RATE_HZ
    assert value(registry, "engine_batches_decoded_total", model="scripted") == len(batches)
    assert value(registry, "engine_batch_segments_count") == len(batches)
    assert value(registry, "engine_batch_segments_sum") == value(registry, "segment_wait_seconds_count") == 42
    assert value(registry, "segments_decoded_total", model="scripted", decoding="short") == 42
    assert value(registry, "engine_audio_seconds_total", model="scripted") == pytest.approx(14 * (0.9 + 1.8 + 2.7))
    assert value(registry, "engine_padded_seconds_total", model="scripted") == pytest.approx(padded_s)
    assert value(registry, "engine_inference_seconds_total", model="scripted") >= 0.03 * len(batches)
    assert value(registry, "segments_retried_total") == 0


async def test_the_checks_that_fired_are_counted_by_attempt_and_model(tmp_path, registry):
    doubted = {"1": [["short", "too_short"]], "3": [["short", "improbable"], ["short", "too_short"]]}
    file = write_script(tmp_path / "a.json", [1, 2, 3])

    async with running(Children(tmp_path, {"doubted": doubted}).config(), EngineMetrics(registry)) as transcriber:
        await hear(transcriber, request(file))

    fired = {"model": "scripted", "decoding": "short"}
    assert value(registry, "checks_fired_total", **fired, fault="too_short") == 2
    assert value(registry, "checks_fired_total", **fired, fault="improbable") == 1
    assert value(registry, "segments_decoded_total", model="scripted", decoding="full") == 2
    assert value(registry, "segments_decoded_total", model="scripted", decoding="short") == 1


async def test_deaths_of_the_engine_and_segments_sent_again_are_counted(tmp_path, registry):
    children = Children(tmp_path, {"crash": [3]})
    file = write_script(tmp_path / "a.json", [1, 2, 3, 4])

    async with running(children.config(), EngineMetrics(registry)) as transcriber:
        with pytest.raises(JobFailure):
            await hear(transcriber, request(file))

    deadly = [batch["values"] for batch in children.batches() if 3 in batch["values"]]
    assert value(registry, "engine_restarts_total", reason="ENGINE_CRASHED") == len(deadly)
    assert value(registry, "segments_condemned_total", reason="ENGINE_CRASHED") == 1
    # Each death sends again at least what died, the last one excepted, which condemns.
    assert value(registry, "segments_retried_total") >= sum(len(values) for values in deadly[:-1])


async def test_a_batch_that_cannot_be_run_and_an_engine_that_does_not_start_are_counted(tmp_path, registry):
    children = Children(tmp_path, {"exit_at_start": 3})
    file = write_script(tmp_path / "a.json", [7])

    async with LocalTranscriber(children.config(), observer=EngineMetrics(registry)) as transcriber:
        await until(lambda: value(registry, "engine_start_failures_total") >= 1)
        children.engine_script = {"fail": {"7": "MODEL_UNAVAILABLE"}}
        children.write()
        with pytest.raises(JobFailure):
            await hear(transcriber, request(file))

    assert value(registry, "engine_batches_failed_total", model="scripted", reason="MODEL_UNAVAILABLE") == 1
    assert value(registry, "segments_condemned_total", reason="MODEL_UNAVAILABLE") == 0


async def test_media_workers_that_die_are_counted(tmp_path, registry):
    file = write_script(tmp_path / "a.json", [1, 2, 3], accidents={1: "SIGKILL"})

    async with running(Children(tmp_path).config(), EngineMetrics(registry)) as transcriber:
        assert texts(await hear(transcriber, request(file))) == ["said 1", "said 2", "said 3"]

    assert value(registry, "media_worker_deaths_total") == 1


async def test_the_status_tells_what_waits_and_what_is_loaded(tmp_path):
    children = Children(tmp_path, {"hang_on_load": ["hanging"]})
    files = [write_script(tmp_path / f"{n}.json", range(100 * n, 100 * n + 40)) for n in (1, 2)]
    hanging = replace(MULTILINGUAL, name="hanging", path="/models/hanging")

    async with running(children.config(replace(QUICK, slots=8, grace_s=0.1))) as transcriber:
        hearing = [asyncio.create_task(hear(transcriber, request(file, model=hanging))) for file in files]
        # One worker: the first file fills the slots and holds it, the second one waits.
        await until(lambda: transcriber.status().loading_model == "hanging" and transcriber.status().waiting_files == 1)
        assert transcriber.status().resident_bytes == 1 << 20
        for task in hearing:
            task.cancel()
        await asyncio.wait(hearing)
        await until(lambda: transcriber.status().waiting_files == 0)
