"""From a URL to a transcript: a real server, a real web server, a spoken file."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.many_files import UTTERANCES, words
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import spoken

pytestmark = pytest.mark.timeout(180)

TEXT = UTTERANCES[2]
SECRET = "X-Signature=s3cr3t"
LOOPBACK_TOO = {"BATCHSCRIBE_STORAGE__HTTPS__HTTP": "true", "BATCHSCRIBE_STORAGE__HTTPS__PRIVATE_ADDRESSES": "true"}


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The URL of a server that gives the files of a folder."""

    class Files(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address}
    return subprocess.run(
        [str(BATCHSCRIBE), *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_urls_become_transcripts_and_their_queries_stay_where_they_are(tmp_path: Path) -> None:
    web = tmp_path / "web" / "calls"
    web.mkdir(parents=True)
    (web / "a b#.wav").write_bytes(spoken(TEXT).read_bytes())
    (web / "bad.wav").write_bytes(b"no sound at all, " * 50)
    out = tmp_path / "out"
    with (
        web_server(tmp_path / "web") as origin,
        running_server(tmp_path, "--model=tiny.en", **LOOPBACK_TOO) as server,
    ):
        urls = [f"{origin}/calls/{name}?{SECRET}" for name in ("a%20b%23.wav", "bad.wav", "gone.wav")]
        manifest = tmp_path / "files.txt"
        manifest.write_text("".join(f"{url}\n" for url in urls))
        submitted = batchscribe(
            *(server, "batch", "submit", "--manifest", str(manifest), "--output", out.as_uri()),
            *("--format", "txt", "--format", "json", "--watch", "--json"),
        )
        assert submitted.returncode == 1, submitted.stderr  # for the two that fail
        assert {path.name for path in out.iterdir()} == {
            *("a b#.wav.txt", "a b#.wav.json", "bad.wav.notice", "gone.wav.notice"),
        }
        assert words((out / "a b#.wav.txt").read_text()) == words(TEXT)
        assert json.loads((out / "a b#.wav.json").read_text())["input"] == f"{origin}/calls/a%20b%23.wav"
        assert "there is nothing at" in (out / "gone.wav.notice").read_text()
        assert list((tmp_path / "data" / "fetched").iterdir()) == []
        written = [path.read_text() for path in out.iterdir()]
        assert not any("s3cr3t" in text for text in [*written, server.log.read_text()])

        again = batchscribe(server, "batch", "submit", urls[0], "--output", f"{out.as_uri()}/one/", "--watch")
        assert again.returncode == 0, again.stderr  # a URL is one file: there is nothing below it to list
        assert {path.name for path in (out / "one").iterdir()} == {"a b#.wav.json"}


def test_addresses_that_are_not_public_are_refused_unless_the_operator_allows_them(tmp_path: Path) -> None:
    with running_server(tmp_path, "--model=tiny.en") as server:
        for url, words_of_it in (
            ("https://127.0.0.1/a.wav", "storage.https.private_addresses"),
            ("http://example.org/a.wav", "storage.https.http"),
        ):
            refused = batchscribe(server, "job", "submit", f"{url}?{SECRET}")
            assert refused.returncode != 0
            assert "PATH_NOT_ALLOWED" in refused.stderr
            assert words_of_it in " ".join(refused.stderr.split())
