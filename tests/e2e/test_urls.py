"""From a URL to a transcript: a real server, a real web server, a spoken file."""

from __future__ import annotations

import asyncio
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
from tests.scripted_web import Asked, Reply, Script, scripted_web
from tests.speech import spoken

pytestmark = pytest.mark.timeout(180)

TEXT = UTTERANCES[2]
BEARER = "Bearer s3cr3t"
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


@contextmanager
def scripted_web_server(script: Script) -> Iterator[str]:
    """The URL of a scripted server on a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started = scripted_web(script)
    try:
        web = asyncio.run_coroutine_threadsafe(started.__aenter__(), loop).result()
        yield web.url("")
        asyncio.run_coroutine_threadsafe(started.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address}
    return subprocess.run(
        [str(BATCHSCRIBE), *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
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
        assert list((server.data_dir / "fetched").iterdir()) == []
        written = [path.read_text() for path in out.iterdir()]
        assert not any("s3cr3t" in text for text in [*written, server.log.read_text()])

        again = batchscribe(server, "batch", "submit", urls[0], "--output", f"{out.as_uri()}/one/", "--watch")
        assert again.returncode == 0, again.stderr  # a URL is one file: there is nothing below it to list
        assert {path.name for path in (out / "one").iterdir()} == {"a b#.wav.json"}


@pytest.mark.slow
def test_a_url_is_fetched_with_the_clients_headers_and_they_stay_where_they_are(tmp_path: Path) -> None:
    sound = spoken(TEXT).read_bytes()

    def script(asked: Asked) -> Reply:
        whole = asked.target == f"/calls/a.wav?{SECRET}" and asked.headers.get("authorization") == BEARER
        return Reply(body=sound) if whole else Reply(401)

    headers = tmp_path / "headers.txt"
    headers.write_text(f"Authorization: {BEARER}\n")
    with (
        scripted_web_server(script) as origin,
        running_server(tmp_path, "--model=tiny.en", "--log-level=debug", **LOOPBACK_TOO) as server,
    ):
        url = f"{origin}/calls/a.wav?{SECRET}"
        fetch = (url, "--header", f"@{headers}", "--output", f"{(tmp_path / 'out').as_uri()}/", "--format", "json")
        done = [
            batchscribe(server, "batch", "submit", *fetch, "--id", "fetch-batch", "--watch", "--json"),
            batchscribe(server, "job", "submit", *fetch, "--id", "fetch-job", "--watch", "--json"),
            batchscribe(server, "transcribe", url, "--header", f"Authorization: {BEARER}"),
        ]
        assert [each.returncode for each in done] == [0, 0, 0], [each.stderr for each in done]
        assert words(done[2].stdout) == words(TEXT)
        without = batchscribe(
            server, "job", "submit", *fetch[:1], "--header", "X-Own: 1", "--id", "fetch-none", "--watch"
        )
        assert "401" in without.stderr
        shown = {
            name: json.loads(batchscribe(server, *name.split("/"), "--json").stdout.splitlines()[0])
            for name in ("job/get/fetch-job", "job/get/fetch-none", "batch/get/fetch-batch", "batch/jobs/fetch-batch")
        }
        for resource in shown.values():
            assert resource["input"] == {"fetch": {"url": f"{origin}/calls/a.wav"}}
        assert shown["job/get/fetch-job"]["input_uri"] == f"{origin}/calls/a.wav"
        retried = batchscribe(server, "job", "retry", "fetch-none")
        assert "CREDENTIALS_DELETED" in retried.stderr

        refused = batchscribe(server, "job", "submit", url, "--header", "Host: s3cr3t")
        assert "job.input.fetch.headers[Host]" in " ".join(refused.stderr.split())

        told = [each.stdout + each.stderr for each in [*done, without, retried, refused]]
        written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != headers]
        assert not any("s3cr3t" in text for text in [*told, server.log.read_text(), json.dumps(shown)])
        assert not any(b"s3cr3t" in data for data in written)
        assert any(b"fetch-job" in data for data in written)


@pytest.mark.slow
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
