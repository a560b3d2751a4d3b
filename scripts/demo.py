"""The demo: start the service on loopback, submit a few spoken files as a batch and one as a job, watch, read, stop.

Everything it makes lies under .build/demo. The speech is synthesised, so the words are known; the rest is the product:
the commands shown are the ones that are run.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from scripts.showing import BATCHSCRIBE, REPOSITORY, free_port, run, say, show, wait_for_server

FOLDER = REPOSITORY / ".build" / "demo"

CALLS = {
    "monday/order.wav": "Good morning. I would like to order twelve boxes of paper and a new printer for the office.",
    "monday/delivery.mp3": "The parcel left the warehouse yesterday evening. It should arrive on Thursday before noon.",
    "tuesday/weather.flac": "A band of rain will cross the country tonight. Tomorrow stays dry, with sunny spells.",
    "tuesday/meeting.mp4": "Let us move the meeting to Friday at three. Please tell the others, and bring the figures.",
}
STORY = (
    "The lighthouse keeper climbed the stairs every evening at dusk. "
    "He lit the great lamp, and sat down with his book and his tea. "
    "Out on the water the fishing boats turned for home, one after the other. "
    "When the last of them had passed the harbour wall, he closed the book and listened to the sea."
)


def main() -> int:
    """Run the demo; returns its exit status."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    say("Making some spoken files to transcribe")
    story = make_speech()
    address = f"127.0.0.1:{free_port()}"
    os.environ["BATCHSCRIBE_ADDRESS"] = address
    calls, out = FOLDER / "calls", FOLDER / "transcripts"
    serve = ["serve", "--listen", address, "--data-dir", str(FOLDER / "data"),
             "--file-root", str(calls), "--file-root", str(out)]  # fmt: skip
    with (FOLDER / "server.log").open("wb") as log:
        show(serve, "&")
        server = subprocess.Popen([BATCHSCRIBE, *serve], stdout=log, stderr=log)
        try:
            wait_for_server(address, server, FOLDER / "server.log")
            run("model", "list")
            say("A batch: every file below a folder, transcripts mirrored below another")
            run("batch", "submit", calls.as_uri() + "/", "--output", out.as_uri() + "/",
                "--format", "txt", "--format", "srt", "--watch")  # fmt: skip
            say("A job: one file uploaded, watched while it is heard, its subtitles on standard output")
            run("transcribe", str(story), "--format", "srt")
            say("What the batch wrote")
            for path in sorted(out.rglob("*.txt")):
                print(f"{path.relative_to(REPOSITORY)}\n    {path.read_text().strip()}")
            run("batch", "list")
        finally:
            say("Stopping")
            server.send_signal(signal.SIGTERM)
            status = server.wait(timeout=60)
    print(f"The server ended with status {status}. All of it lies in {FOLDER.relative_to(REPOSITORY)}/.")
    return status


def make_speech() -> Path:
    """Write the calls in their formats, and the story; returns the story's path."""
    from tests.media_files import ENCODINGS, encoded
    from tests.speech import spoken

    for name, text in CALLS.items():
        path = FOLDER / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded(spoken(text), path.parent, ENCODINGS[path.suffix[1:]]).rename(path)
    return encoded(spoken(STORY), FOLDER, ENCODINGS["m4a"]).rename(FOLDER / "story.m4a")


if __name__ == "__main__":
    sys.exit(main())
