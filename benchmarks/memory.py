"""Peak memory of the server, the media workers and the engine: a one-hour file beside a one-minute file.

    python -m benchmarks.memory RECORDING [RECORDING …] [--model base] [--minutes 60]

The files are made of the recordings, one after the other with pauses between, over and over. Peaks are the kernel's own
(VmHWM), each length in a server of its own. Linux only.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
import wave
from pathlib import Path

import grpc
import numpy as np
import psutil
from faster_whisper import decode_audio

from batchscribe.v1 import job_pb2, job_service_pb2, job_service_pb2_grpc, state_pb2, storage_pb2
from tests.running_server import RunningServer, running_server
from tests.speech import RATE_HZ, silence

PAUSE_S = 0.7


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--model", default="base")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    print(f"{'length':>10} {'took':>8} {'server':>10} {'decoders':>10} {'engine':>10}   peak MB")
    peaks = [_measure(options.recordings, minutes, options.model) for minutes in (1.0, options.minutes)]
    growth = {name: (peaks[1][name] - peaks[0][name]) / 1e6 for name in peaks[0]}
    print("growth: " + ", ".join(f"{name} {mb:+.0f} MB" for name, mb in growth.items()))


def _measure(recordings: list[Path], minutes: float, model: str) -> dict[str, int]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        long = _repeated(recordings, minutes, folder / "long.wav")
        with running_server(folder, f"--model={model}") as server, grpc.insecure_channel(server.address) as channel:
            jobs = job_service_pb2_grpc.JobServiceStub(channel)
            started = time.monotonic()
            job = jobs.CreateJob(
                job_service_pb2.CreateJobRequest(job=job_pb2.Job(input=storage_pb2.InputConfig(uri=long.as_uri())))
            )
            while job.state not in (state_pb2.STATE_SUCCEEDED, state_pb2.STATE_FAILED):
                request = job_service_pb2.GetJobRequest(name=job.name)
                request.wait.FromSeconds(60)
                job = jobs.GetJob(request)
            took_s = time.monotonic() - started
            if job.state != state_pb2.STATE_SUCCEEDED:
                raise SystemExit(f"the job failed: {job.error}")
            peaks = _peaks(server)
            row = " ".join(f"{peak / 1e6:10.0f}" for peak in peaks.values())
            print(f"{minutes:8.0f} m {took_s:7.1f}s {row}", flush=True)
            return peaks


def _repeated(recordings: list[Path], minutes: float, destination: Path) -> Path:
    speech = [(decode_audio(str(path)) * 32767).astype(np.int16) for path in recordings]
    with wave.open(str(destination), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for samples in itertools.cycle(speech):
            file.writeframes(samples.tobytes())
            file.writeframes(silence(PAUSE_S).tobytes())
            if file.getnframes() >= minutes * 60 * RATE_HZ:
                return destination
    raise ValueError("no recordings")


def _peaks(server: RunningServer) -> dict[str, int]:
    return {
        "server": _peak_bytes(server.process),
        "decoders": max(map(_peak_bytes, server.children("batchscribe_engine.media"))),
        "engine": max(map(_peak_bytes, server.children("batchscribe_engine.inference"))),
    }


def _peak_bytes(process: psutil.Process) -> int:
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmHWM in /proc")


if __name__ == "__main__":
    main()
