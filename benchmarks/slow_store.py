"""How long a batch takes whose files come at once, alone and beside one whose files trickle in.

    python -m benchmarks.slow_store [--files 24] [--slow-files 150] [--slow-s 40] [--rounds 3]

Both batches are short spoken files from a web server of this process, heard by one server with its default settings.
Each file of the slow batch takes `--slow-s` seconds to fetch.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from batchscribe import AsyncClient
from batchscribe.v1 import state_pb2
from benchmarks import machine
from tests.many_files import UTTERANCES
from tests.running_server import running_server
from tests.scripted_web import Asked, Reply, ScriptedWeb, scripted_web
from tests.speech import spoken

_ALLOWED = {"BATCHSCRIBE_STORAGE__HTTPS__HTTP": "true", "BATCHSCRIBE_STORAGE__HTTPS__PRIVATE_ADDRESSES": "true"}
_PIECE_BYTES = 65_536


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--slow-files", type=int, default=150)
    parser.add_argument("--slow-s", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(", ".join(machine.described().values()))
    alone, beside = asyncio.run(_measured(options))
    for label, times_s in (("alone", alone), ("beside the slow batch", beside)):
        shown = ", ".join(f"{each:.1f}" for each in times_s)
        print(f"{options.files} files {label}: median {statistics.median(times_s):.1f} s of {shown}")


async def _measured(options: argparse.Namespace) -> tuple[list[float], list[float]]:
    """The times of the quick batch, alone and beside the slow one, in seconds."""
    sounds = [spoken(text).read_bytes() for text in UTTERANCES]

    def script(asked: Asked) -> Reply:
        _, kind, number = asked.target.split("/")
        body = sounds[int(number.removesuffix(".wav")) % len(sounds)]
        pieces = -(-len(body) // _PIECE_BYTES)
        pause_s = options.slow_s / pieces if kind == "slow" else 0.0
        return Reply(body=body, before_each=lambda: asyncio.sleep(pause_s))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "files"
        folder.mkdir()
        async with scripted_web(script) as web:
            with running_server(folder, f"--model={options.model}", **_ALLOWED) as server:
                async with AsyncClient(server.address) as client:
                    await _quick_batch_s(client, web, options.files)  # the model is loaded by it
                    alone = [await _quick_batch_s(client, web, options.files) for _ in range(options.rounds)]
                    slow = await client.submit_batch(
                        [web.url(f"/slow/{number}.wav") for number in range(options.slow_files)]
                    )
                    while not any(asked.target.startswith("/slow/") for asked in web.asked):
                        await asyncio.sleep(0.05)
                    beside = [await _quick_batch_s(client, web, options.files) for _ in range(options.rounds)]
                    if (await client.get_batch(slow.name)).state != state_pb2.STATE_RUNNING:
                        print("the slow batch had ended before: use more --slow-files")
                    await client.cancel_batch(slow.name)
    return alone, beside


async def _quick_batch_s(client: AsyncClient, web: ScriptedWeb, files: int) -> float:
    started_s = time.perf_counter()
    batch = await client.submit_batch([web.url(f"/quick/{number}.wav") for number in range(files)])
    batch = await client.wait_for_batch(batch.name)
    if batch.counts.succeeded != files:
        raise SystemExit(f"only {batch.counts.succeeded} of {files} files succeeded")
    return time.perf_counter() - started_s


if __name__ == "__main__":
    main()
