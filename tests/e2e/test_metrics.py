"""The metrics of a real server, as Prometheus would read them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.many_files import UTTERANCES
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import duration_s, spoken

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    folder = tmp_path_factory.mktemp("metrics")
    with running_server(folder, "--model=tiny.en", "--metrics-listen=127.0.0.1:0") as started:
        yield started


def fetched(server: RunningServer, path: str) -> str:
    """What is answered at the address that the server says it listens on."""
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    (address,) = (line["address"] for line in lines if line["event"] == "metrics_listening")
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def scraped(server: RunningServer) -> dict[str, float]:
    """Each metric's value over all its labels."""
    families = list(text_string_to_metric_families(fetched(server, "/metrics")))
    assert all(family.documentation for family in families)
    totals: dict[str, float] = {}
    for sample in (sample for family in families for sample in family.samples):
        totals[sample.name] = totals.get(sample.name, 0.0) + sample.value
        for label, value in sample.labels.items():
            totals[f"{sample.name} {label}={value}"] = totals.get(f"{sample.name} {label}={value}", 0.0) + sample.value
    return totals


def scraped_when(server: RunningServer, condition: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    """What is scraped once it is as it must become: a job's end is counted just after a client may know of it."""
    deadline_s = time.monotonic() + 20
    while not condition(read := scraped(server)):
        assert time.monotonic() < deadline_s, read
        time.sleep(0.05)
    return read


def transcribe(server: RunningServer, path: Path) -> int:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address}
    command = [str(BATCHSCRIBE), "transcribe", str(path)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=90, check=False).returncode


def test_what_a_server_did_is_read_from_its_metrics(server: RunningServer) -> None:
    speech, text = spoken(UTTERANCES[2]), server.folder / "notes.wav"
    text.write_text("no sound at all, " * 50)
    assert transcribe(server, speech) == 0
    assert transcribe(server, text) == 1

    read = scraped_when(
        server,
        lambda read: (
            read.get("batchscribe_jobs_ended_total") == 2
            and read["batchscribe_running_jobs"] == 0
            and read["batchscribe_watchers"] == 0
            and bool(read.get("batchscribe_model_loaded model=tiny.en"))
        ),
    )

    assert read["batchscribe_segments_decoded_total model=tiny.en"] >= 1
    assert read["batchscribe_engine_audio_seconds_total"] == pytest.approx(duration_s(speech), abs=1.0)
    assert read["batchscribe_engine_padded_seconds_total"] >= read["batchscribe_engine_audio_seconds_total"]
    assert read["batchscribe_engine_inference_seconds_total"] > 0
    assert read["batchscribe_jobs_ended_total state=SUCCEEDED"] == 1
    assert read["batchscribe_jobs_ended_total reason=UNSUPPORTED_FORMAT"] == 1
    assert read["batchscribe_engine_resident_bytes"] > 50 * 2**20
    assert read["batchscribe_free_slots"] == read["batchscribe_slots"] == 128
    assert read["batchscribe_engine_ready"] == 1
    assert read["batchscribe_jobs_claimed_total attempt=first"] == 2
    assert read["batchscribe_queue_wait_seconds_count"] == 2
    assert read["batchscribe_claim_seconds_count"] >= 2
    assert read["batchscribe_jobs_audio_seconds_total"] == pytest.approx(duration_s(speech), abs=0.1)
    assert read["batchscribe_fetch_seconds_count scheme=upload"] == 2
    # Each is validated before its upload, then created.
    assert read["batchscribe_rpcs_total method=batchscribe.v1.JobService/CreateJob"] == 4
    assert read["batchscribe_rpc_seconds_count method=batchscribe.v1.JobService/CreateJob"] == 4
    assert read["batchscribe_engine_batch_fill_ratio_count"] >= 1
    assert read["batchscribe_model_memory_bytes model=tiny.en"] > 10 * 2**20
    assert {"batchscribe_queue_jobs state=queued", "batchscribe_queue_jobs state=running"} <= set(read)
    assert (read["batchscribe_serving"], read["batchscribe_watchers"]) == (1, 0)
    assert (fetched(server, "/healthz"), fetched(server, "/readyz")) == ("live\n", "ready\n")


def test_a_metrics_port_that_is_taken_ends_the_start_with_a_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", "--model=tiny.en"]
        result = subprocess.run(
            [*command, f"--data-dir={tmp_path}", f"--metrics-listen={address}", "--log-format=json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert f"batchscribe: cannot listen on {address} for metrics: address already in use" in result.stderr.splitlines()
    assert "Traceback" not in result.stderr
