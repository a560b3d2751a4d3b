"""What word times and what is done to the text cost a batch, and what a second format does.

    python -m benchmarks.text_steps [--model base] [--files 120] [--rounds 3]

The same short spoken files as one batch after the other, plain and with each kind of work, in turn and repeated; one
server with its default settings, outputs on disk. A ratio is taken within each round.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from batchscribe import AsyncClient, output_config
from benchmarks import machine
from tests.many_files import UTTERANCES
from tests.running_server import running_server
from tests.speech import spoken

_EDITED: dict[str, Any] = {
    "smart_formatting": True,
    "redaction": True,
    "disfluency_removal": True,
    "profanity_filter": "mask",
}
KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "plain": ({}, ("json",)),
    "word times": ({"word_time_offsets": True}, ("json",)),
    "text edited": (_EDITED, ("json",)),
    "both": ({"word_time_offsets": True, **_EDITED}, ("json",)),
    "plain, two formats": ({}, ("json", "txt")),
}


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="base")
    parser.add_argument("--files", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(", ".join(machine.described().values()))
    rounds = asyncio.run(_measured(options))
    for kind in KINDS:
        times_s = [times[kind] for times in rounds]
        slower = statistics.median(times[kind] / times["plain"] for times in rounds)
        shown = ", ".join(f"{each:.1f}" for each in times_s)
        print(f"{kind}: median {statistics.median(times_s):.1f} s of {shown}; {slower:.2f} times as long as plain")


async def _measured(options: argparse.Namespace) -> list[dict[str, float]]:
    """The time of each kind of batch in each round, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        inputs = folder / "in"
        inputs.mkdir()
        for number in range(options.files):
            sound = spoken(UTTERANCES[number % len(UTTERANCES)])
            (inputs / f"{number:04}.wav").write_bytes(sound.read_bytes())
        with running_server(folder, f"--model={options.model}") as server:
            async with AsyncClient(server.address) as client:
                await _batch_s(client, folder, "plain", options.files)  # the model is loaded by it
                return [
                    {kind: await _batch_s(client, folder, kind, options.files) for kind in KINDS}
                    for _ in range(options.rounds)
                ]


async def _batch_s(client: AsyncClient, folder: Path, kind: str, files: int) -> float:
    config, formats = KINDS[kind]
    output = output_config((folder / "out").as_uri() + "/", formats=formats)
    started_s = time.perf_counter()
    batch = await client.submit_batch((folder / "in").as_uri(), output=output, **config)
    batch = await client.wait_for_batch(batch.name)
    if batch.counts.succeeded != files:
        raise SystemExit(f"only {batch.counts.succeeded} of {files} files succeeded")
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
