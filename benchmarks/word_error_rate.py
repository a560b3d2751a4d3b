"""Word error rate and speed of the service beside faster-whisper, on a folder of recordings with references.

    python -m benchmarks.word_error_rate FOLDER [--model base] [--beam 1 5] [--files]

FOLDER holds references.tsv (file, channel, text, tab-separated) and its recordings; rows whose channel is not "mono"
are left out. Both decode with the same model in int8 on the CPU. faster-whisper runs file after file, with its defaults
but for the beam, and as its batched pipeline; the service runs as a server of its own and gets the files as one batch.
Times leave loading the model out. Both texts are normalised by whisper-normalizer before jiwer compares them.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

from batchscribe import Client, output_config
from batchscribe.v1.recognition_pb2 import DecodingConfig, RecognitionConfig
from tests.running_server import running_server


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording and what is said in it."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Heard:
    """What one system heard in each recording, and how long it took for all of them."""

    texts: list[str]
    took_s: float


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="base")
    parser.add_argument("--beam", type=int, nargs="+", default=[1, 5])
    parser.add_argument("--files", action="store_true", help="print the word error rate of each file too")
    options = parser.parse_args()
    recordings = read_references(options.folder)
    audio_s = sum(map(_duration_s, (recording.path for recording in recordings)))
    print(f"{len(recordings)} recordings, {audio_s:.0f} s, model {options.model}, int8, {os.cpu_count()} cores\n")
    print(f"{'system':44} {'beam':>4} {'WER':>7} {'x real time':>14}")
    for beam in options.beam:
        for name, run in SYSTEMS.items():
            heard = run(recordings, options.model, beam)
            rate = word_error_rate((recording.text for recording in recordings), heard.texts)
            print(f"{name:44} {beam:4} {rate:7.2%} {audio_s / heard.took_s:14.1f}", flush=True)
            if options.files:
                for recording, text in zip(recordings, heard.texts, strict=True):
                    print(f"    {recording.path.name:20} {word_error_rate([recording.text], [text]):7.2%}  {text}")


def read_references(folder: Path) -> list[Recording]:
    """The mono recordings of a folder."""
    with (folder / "references.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Recording((folder / row["file"]).resolve(), row["text"]) for row in rows if row["channel"] == "mono"]


def word_error_rate(said: Iterable[str], heard: Iterable[str]) -> float:
    """Errors over words said, over all recordings together."""
    normalise = EnglishTextNormalizer()
    return float(jiwer.wer([normalise(text) for text in said], [normalise(text) for text in heard]))


def _faster_whisper(recordings: list[Recording], model: str, beam: int, *, batched: bool) -> Heard:
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    whisper = WhisperModel(_model_folder(model), device="cpu", compute_type="int8", cpu_threads=os.cpu_count() or 1)
    pipeline = BatchedInferencePipeline(whisper) if batched else None
    started = time.perf_counter()
    texts = []
    for recording in recordings:
        if pipeline is not None:
            segments, _ = pipeline.transcribe(str(recording.path), language="en", beam_size=beam, batch_size=8)
        else:
            segments, _ = whisper.transcribe(str(recording.path), language="en", beam_size=beam)
        texts.append(" ".join(segment.text.strip() for segment in segments))
    return Heard(texts, time.perf_counter() - started)


def _model_folder(model: str) -> str:
    import asyncio

    from batchscribe_server.models.catalog import ModelCatalog

    cache = Path(tempfile.gettempdir()) / "batchscribe-benchmarks"
    return asyncio.run(ModelCatalog(model, cache).resolve("")).path


def _batchscribe(recordings: list[Recording], model: str, beam: int) -> Heard:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        roots = {str(recording.path.parent) for recording in recordings}
        options = [f"--model={model}", "--device=cpu", *(f"--file-root={root}" for root in roots)]
        with running_server(folder, *options) as server, Client(server.address) as client:
            client.transcribe(recordings[0].path, language="en")  # loads the model
            started = time.perf_counter()
            batch = client.submit_batch(
                [recording.path.as_uri() for recording in recordings],
                output=output_config((folder / "out").as_uri() + "/", formats=["txt"]),
                config=RecognitionConfig(language="en", decoding=DecodingConfig(beam_size=beam)),
            )
            client.wait_for_completion(batch.name)
            took_s = time.perf_counter() - started
            texts = {job.input_uri: client.transcript(job.name) for job in client.list_jobs(batch=batch.name)}
        return Heard([texts[recording.path.as_uri()] for recording in recordings], took_s)


SYSTEMS: dict[str, Callable[[list[Recording], str, int], Heard]] = {
    "faster-whisper 1.2.1, file after file": partial(_faster_whisper, batched=False),
    "faster-whisper 1.2.1, batched pipeline": partial(_faster_whisper, batched=True),
    "batchscribe": _batchscribe,
}


def _duration_s(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return float(container.duration or 0) / av.time_base


if __name__ == "__main__":
    main()
