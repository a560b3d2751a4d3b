"""From one container to another: a real server, a real server of Azure's protocol, spoken files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azure_store import KEY, account_url, azure_client, azure_store, needs_azurite
from tests.many_files import UTTERANCES, words
from tests.running_server import BATCHSCRIBE, RunningServer, running_server
from tests.speech import spoken

pytestmark = pytest.mark.timeout(180)

TEXT = UTTERANCES[2]


@pytest.fixture
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure_store(tmp_path_factory.mktemp("blobs")) as started:
        yield started


async def filled(endpoint: str, files: dict[str, bytes]) -> None:
    async with azure_client(endpoint) as client:
        for container in ("calls", "transcripts"):
            await client.create_container(container)
        for name, body in files.items():
            await client.get_blob_client("calls", name).upload_blob(body)


async def blobs(endpoint: str, container: str) -> dict[str, str]:
    async with azure_client(endpoint) as client:
        opened = client.get_container_client(container)
        names = [name async for name in opened.list_blob_names()]
        return {name: (await (await opened.download_blob(name)).readall()).decode() for name in names}


def batchscribe(server: RunningServer, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BATCHSCRIBE_ADDRESS": server.address}
    return subprocess.run(
        [str(BATCHSCRIBE), *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@needs_azurite
@pytest.mark.slow
def test_a_prefix_becomes_transcripts_in_another_container(endpoint: str, tmp_path: Path) -> None:
    sound = spoken(TEXT).read_bytes()
    names = ["may/a b.wav", "may/ü #1?.wav", "june/100%2F.wav"]
    files = {f"in/{name}": sound for name in names} | {"in/june/bad.wav": b"no sound at all, " * 50}
    asyncio.run(filled(endpoint, files))
    settings = {
        "BATCHSCRIBE_STORAGE__AZURE__CONTAINERS": '["calls", "transcripts"]',
        "BATCHSCRIBE_STORAGE__AZURE__ACCOUNT_URL": account_url(endpoint),
        "BATCHSCRIBE_STORAGE__AZURE__ACCOUNT_KEY": KEY,
    }
    with running_server(tmp_path, "--model=tiny.en", **settings) as server:
        submitted = batchscribe(
            *(server, "batch", "submit", "az://calls/in", "--output", "az://transcripts/out/"),
            *("--format", "txt", "--watch", "--json"),
        )
        assert submitted.returncode == 1, submitted.stderr  # for the one bad file
        last = json.loads(submitted.stdout.splitlines()[-1])
        assert last.get("state_change", last)["state"] == "STATE_SUCCEEDED"
        written = asyncio.run(blobs(endpoint, "transcripts"))
        assert set(written) == {*(f"out/{name}.txt" for name in names), "out/june/bad.wav.notice"}
        for name in names:
            assert words(written[f"out/{name}.txt"]) == words(TEXT)
        assert "UNSUPPORTED_FORMAT" in written["out/june/bad.wav.notice"]
        assert list((tmp_path / "data" / "fetched").iterdir()) == []

        refused = batchscribe(server, "batch", "submit", "az://others/in")
        assert refused.returncode != 0
        assert "PATH_NOT_ALLOWED" in refused.stderr
        assert KEY not in server.log.read_text()


def test_a_server_without_azures_library_says_what_to_install(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "azure"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("")  # stands before the real one, and holds nothing
    path = os.pathsep.join(filter(None, [str(hidden.parent), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "BATCHSCRIBE_STORAGE__AZURE__CONTAINERS": '["calls"]',
        "BATCHSCRIBE_STORAGE__AZURE__ACCOUNT_URL": "https://spoken.blob.core.windows.net",
    }
    served = subprocess.run(
        [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", f"--data-dir={tmp_path / 'data'}", "--model=tiny.en"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert served.returncode == 1, served.stderr
    assert "batchscribe[azure]" in served.stderr.splitlines()[-1]
    assert "Traceback" not in served.stderr
