"""The metrics as Prometheus reads them: over HTTP, in its text format, each documented."""

from __future__ import annotations

import asyncio
import re
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families

from batchscribe_server.domain.errors import Reason
from batchscribe_server.domain.job import State
from batchscribe_server.domain.queue import QueueOverview
from batchscribe_server.metrics.engine import EngineMetrics
from batchscribe_server.metrics.exposition import exposed, new_registry
from batchscribe_server.metrics.jobs import JobMetrics
from batchscribe_server.metrics.probes import SILENT_S, Probes
from batchscribe_server.metrics.rpc import RpcMetrics
from batchscribe_server.metrics.status import StatusMetrics
from batchscribe_server.metrics.transfers import TransferMetrics
from batchscribe_server.operations.observers import DecodedBatch, DecodedSegment
from batchscribe_server.operations.transcriber import TranscriberStatus

MANUAL = Path(__file__).parents[3] / "docs" / "operations.md"
UNITS = (
    r"(seconds|bytes|ratio|segments|slots|files|jobs|rpcs|watchers|outputs|decoded|fired|retried|condemned|failed|"
    r"restarts|failures|deaths|ended|claimed|lost|written)"
)
TRUTHS = {"batchscribe_serving", "batchscribe_engine_ready", "batchscribe_model_loaded", "batchscribe_model_loading"}


def all_metrics() -> CollectorRegistry:
    """A registry in which every metric has at least one value."""
    registry = new_registry()
    engine = EngineMetrics(registry)
    engine.batch_decoded(DecodedBatch("base", 7.5, 10.0, 0.5, (DecodedSegment("full", (("short", "too_short"),)),) * 2))
    engine.batch_failed("base", Reason.INFERENCE_FAILED)
    engine.segment_waited(0.02)
    engine.segments_retried(3)
    engine.segment_condemned(Reason.ENGINE_CRASHED)
    engine.engine_not_started()
    engine.engine_died(Reason.INFERENCE_TIMEOUT)
    engine.media_worker_died()
    jobs = JobMetrics(registry)
    jobs.queue_asked(0.002)
    jobs.job_claimed(waited_s=2.0, attempt=1)
    jobs.job_claimed(waited_s=0.0, attempt=3)
    jobs.lease_lost()
    jobs.job_ended(State.SUCCEEDED, None, audio_s=60.0)
    jobs.job_ended(State.FAILED, Reason.NO_AUDIO, audio_s=5.0)
    transfers = TransferMetrics(registry)
    for uri in ("s3://bucket/a.wav", "media/1", "gopher://host/secret"):
        transfers.fetched(uri, 0.2)
    transfers.written("vtt", 0.2)
    transfers.write_failed(Reason.BUCKET_WRITE_DENIED)
    RpcMetrics(registry).rpc_finished("batchscribe.v1.JobService/GetJob", "NOT_FOUND", 0.002)
    status = StatusMetrics(registry)
    loaded = TranscriberStatus(ready=True, loaded_models=("base",), model_bytes={"base": 150_000_000}, slots=8)
    status.show(loaded, running_jobs=2, watchers=3, serving=True)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    status.show_queue(QueueOverview(queued=7, running=4, time=now, oldest_queue_time=now - timedelta(seconds=90)))
    return registry


def fetched(port: int, path: str) -> tuple[int, str]:
    """The status and the text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scraped(port: int) -> list[Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return list(text_string_to_metric_families(answer.read().decode()))


def values(metrics: Iterable[Metric]) -> dict[str, float]:
    """Each sample's value by its name and labels."""
    return {
        f"{sample.name}{sorted(sample.labels.items()) or ''}": sample.value
        for metric in metrics
        for sample in metric.samples
    }


async def test_what_is_told_is_read_back_over_http() -> None:
    async with exposed(all_metrics(), Probes(), "127.0.0.1", 0) as port:
        read = values(await asyncio.to_thread(scraped, port))

    base = "[('model', 'base')]"
    assert read["batchscribe_segments_decoded_total[('decoding', 'full'), ('model', 'base')]"] == 2
    fired = "[('decoding', 'short'), ('fault', 'too_short'), ('model', 'base')]"
    assert read[f"batchscribe_checks_fired_total{fired}"] == 2
    assert read[f"batchscribe_engine_batches_decoded_total{base}"] == 1
    assert read["batchscribe_engine_batch_segments_sum"] == 2
    assert read[f"batchscribe_engine_audio_seconds_total{base}"] == 7.5
    assert read[f"batchscribe_engine_padded_seconds_total{base}"] == 10
    assert read[f"batchscribe_engine_inference_seconds_total{base}"] == 0.5
    assert read["batchscribe_segment_wait_seconds_bucket[('le', '0.01')]"] == 0
    assert read["batchscribe_segment_wait_seconds_bucket[('le', '0.03')]"] == 1
    assert read["batchscribe_segments_retried_total"] == 3
    assert read["batchscribe_segments_condemned_total[('reason', 'ENGINE_CRASHED')]"] == 1
    failed = "[('model', 'base'), ('reason', 'INFERENCE_FAILED')]"
    assert read[f"batchscribe_engine_batches_failed_total{failed}"] == 1
    assert read["batchscribe_engine_restarts_total[('reason', 'INFERENCE_TIMEOUT')]"] == 1
    assert read["batchscribe_engine_start_failures_total"] == 1
    assert read["batchscribe_media_worker_deaths_total"] == 1
    assert read["batchscribe_jobs_ended_total[('reason', ''), ('state', 'SUCCEEDED')]"] == 1
    assert read["batchscribe_running_jobs"] == 2
    # Two segments of the one that an engine takes at once where nothing else is said.
    assert read["batchscribe_engine_batch_fill_ratio_sum"] == 2
    assert read["batchscribe_jobs_claimed_total[('attempt', 'first')]"] == 1
    assert read["batchscribe_jobs_claimed_total[('attempt', 'repeated')]"] == 1
    assert read["batchscribe_queue_wait_seconds_sum"] == 2
    assert read["batchscribe_claim_seconds_count"] == 1
    assert read["batchscribe_leases_lost_total"] == 1
    assert read["batchscribe_jobs_audio_seconds_total"] == 60
    assert {name for name in read if name.startswith("batchscribe_fetch_seconds_count")} == {
        f"batchscribe_fetch_seconds_count[('scheme', '{scheme}')]" for scheme in ("s3", "upload", "other")
    }
    assert read["batchscribe_outputs_written_total[('kind', 'vtt')]"] == 1
    assert read["batchscribe_output_write_seconds_count"] == 1
    assert read["batchscribe_outputs_failed_total[('reason', 'BUCKET_WRITE_DENIED')]"] == 1
    called = "('method', 'batchscribe.v1.JobService/GetJob')"
    assert read[f"batchscribe_rpcs_total[('code', 'NOT_FOUND'), {called}]"] == 1
    assert read[f"batchscribe_rpc_seconds_count[{called}]"] == 1
    assert read["batchscribe_watchers"] == 3
    assert read["batchscribe_serving"] == 1
    assert read[f"batchscribe_model_memory_bytes{base}"] == 150_000_000
    assert read["batchscribe_queue_jobs[('state', 'queued')]"] == 7
    assert read["batchscribe_queue_jobs[('state', 'running')]"] == 4
    assert read["batchscribe_queue_oldest_seconds"] == 90


async def test_probes_say_whether_it_lives_and_whether_it_serves() -> None:
    clock, serving = [0.0], [False]
    probes = Probes(lambda: clock[0])
    async with exposed(all_metrics(), probes, "127.0.0.1", 0) as port:

        async def told() -> tuple[int, int]:
            lives, serves = [(await asyncio.to_thread(fetched, port, path))[0] for path in ("/healthz", "/readyz")]
            return lives, serves

        assert await told() == (200, 503)  # it starts
        probes.follow(lambda: serving[0])
        probes.beat()
        assert await told() == (200, 503)
        serving[0] = True
        assert await told() == (200, 200)
        clock[0] = SILENT_S
        assert await told() == (503, 503)  # its event loop hangs
        probes.beat()
        assert await told() == (200, 200)
        assert await asyncio.to_thread(fetched, port, "/healthz") == (200, "live\n")
        assert (await asyncio.to_thread(fetched, port, "/secrets"))[0] == 404


async def test_each_metric_is_explained_and_named_after_what_it_counts() -> None:
    async with exposed(all_metrics(), Probes(), "127.0.0.1", 0) as port:
        metrics = await asyncio.to_thread(scraped, port)

    assert len(metrics) > 20
    for metric in metrics:
        assert re.fullmatch(r"[A-Z0-9].{15,}\.", metric.documentation), metric.name
        # The parser leaves the counters' "_total" out of their families' names.
        assert metric.name in TRUTHS or re.fullmatch(rf"batchscribe_([a-z]+_)*{UNITS}", metric.name)
        assert metric.type != "unknown"
        assert metric.type != "counter" or {sample.name for sample in metric.samples} == {f"{metric.name}_total"}


def test_the_manual_names_exactly_these_metrics() -> None:
    families = all_metrics().collect()
    names = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in families}
    assert set(re.findall(r"^\| `(batchscribe_\w+)`", MANUAL.read_text(), re.MULTILINE)) == names


def test_gauges_follow_the_status() -> None:
    registry = new_registry()
    gauges = StatusMetrics(registry)
    gauges.show(
        TranscriberStatus(
            ready=True,
            loaded_models=("base",),
            loading_model="tiny.en",
            resident_bytes=1 << 30,
            slots=16,
            free_slots=9,
            waiting_segments=4,
            waiting_files=3,
        ),
        running_jobs=5,
        watchers=0,
        serving=True,
    )
    read = values(registry.collect())
    assert read["batchscribe_engine_ready"] == 1
    assert read["batchscribe_engine_resident_bytes"] == 1 << 30
    assert (read["batchscribe_slots"], read["batchscribe_free_slots"]) == (16, 9)
    assert (read["batchscribe_waiting_segments"], read["batchscribe_waiting_files"]) == (4, 3)
    assert read["batchscribe_running_jobs"] == 5
    assert read["batchscribe_model_loaded[('model', 'base')]"] == 1
    assert read["batchscribe_model_loading[('model', 'tiny.en')]"] == 1

    silent = TranscriberStatus(ready=False, loaded_models=("tiny.en",))
    gauges.show(silent, running_jobs=0, watchers=0, serving=False)
    read = values(registry.collect())
    assert read["batchscribe_engine_ready"] == 0
    assert read["batchscribe_model_loaded[('model', 'base')]"] == 0
    assert read["batchscribe_model_loaded[('model', 'tiny.en')]"] == 1
    assert read["batchscribe_model_loading[('model', 'tiny.en')]"] == 0


async def test_what_can_be_no_host_is_an_error() -> None:
    with pytest.raises(OSError, match=r"'no\.\.name' can be no host's name"):
        async with exposed(new_registry(), Probes(), "no..name", 0):
            pass


async def test_a_port_that_is_taken_is_an_error_and_one_that_was_used_is_free_again() -> None:
    async with exposed(new_registry(), Probes(), "127.0.0.1", 0) as port:
        with pytest.raises(OSError, match="in use"):
            async with exposed(new_registry(), Probes(), "127.0.0.1", port):
                pass
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    async with exposed(new_registry(), Probes(), "127.0.0.1", port) as again:
        assert again == port
