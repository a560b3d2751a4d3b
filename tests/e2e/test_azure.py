"""From one container to another: a real server, a real server of Azure's protocol, spoken files."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.azure_store import (
    KEY,
    WRONG_KEY,
    account_sas,
    account_url,
    azure_client,
    azure_store,
    container_sas,
    needs_azurite,
)
from tests.bucket_tree import ODD_NAMES, REASONS, tree
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
def test_a_tree_of_all_kinds_of_names_becomes_transcripts_in_another_container(endpoint: str, tmp_path: Path) -> None:
    made = tree(good_files=len(ODD_NAMES) + 4)
    asyncio.run(filled(endpoint, {f"in/{name}": body for name, body in made.objects.items()}))
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
        assert submitted.returncode == 1, submitted.stderr  # for the bad files
        last = json.loads(submitted.stdout.splitlines()[-1])
        assert last.get("state_change", last)["state"] == "STATE_SUCCEEDED"
        written = asyncio.run(blobs(endpoint, "transcripts"))
        notices = {f"out/{name}.notice": reason for name, reason in REASONS.items()}
        assert set(written) == {f"out/{name}.txt" for name in made.said} | set(notices)
        said = {name: words(written[f"out/{name}.txt"]) for name in made.said}
        assert said == {name: words(text) for name, text in made.said.items()}
        for name, reason in notices.items():
            assert json.loads(written[name])["error"]["reason"] == reason
        assert list((server.data_dir / "fetched").iterdir()) == []

        refused = batchscribe(server, "batch", "submit", "az://others/in")
        assert refused.returncode != 0
        assert "PATH_NOT_ALLOWED" in refused.stderr
        assert KEY not in server.log.read_text()


def credentials(folder: Path, name: str, **azure: str) -> str:
    """A file of them, as the command line takes it."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"azure": azure}))
    return str(path)


@needs_azurite
@pytest.mark.slow
def test_inputs_and_outputs_are_reached_with_the_clients_own_credentials(
    endpoint: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sound = spoken(TEXT).read_bytes()
    asyncio.run(filled(endpoint, {"theirs/a.wav": sound, "theirs/bad.wav": b"no sound at all, " * 50}))
    url, folder = account_url(endpoint), tmp_path_factory.mktemp("auth")
    reading, writing, expired = (
        *(container_sas("calls", "rl"), container_sas("transcripts", "rwcd")),
        account_sas("rl", timedelta(hours=-1)),
    )
    reader = credentials(folder, "reader", account_url=url, sas_token=f"?{reading}")
    writer = credentials(folder, "writer", account_url=url, sas_token=writing)
    allowed = {"BATCHSCRIBE_STORAGE__CLIENT_ENDPOINTS": json.dumps([url])}
    with running_server(tmp_path, "--model=tiny.en", "--log-level=debug", **allowed) as server:
        told = []

        def submit(
            identifier: str, source: str, auth: str, output: str, output_auth: str
        ) -> subprocess.CompletedProcess[str]:
            submitted = batchscribe(
                *(server, "batch", "submit", source, "--auth", auth, "--output", output, "--output-auth", output_auth),
                *("--format", "txt", "--id", identifier, "--watch", "--json"),
            )
            told.append(submitted.stdout + submitted.stderr)
            return submitted

        done = submit("with-credentials", "az://calls/theirs", reader, "az://transcripts/out/", writer)
        assert done.returncode == 1, done.stderr  # for the one bad file
        written = asyncio.run(blobs(endpoint, "transcripts"))
        assert set(written) == {"out/a.wav.txt", "out/bad.wav.notice"}
        assert words(written["out/a.wav.txt"]) == words(TEXT)
        retried = batchscribe(server, "batch", "retry", "with-credentials")
        assert "CREDENTIALS_DELETED" in retried.stderr

        owner = credentials(folder, "owner", account_url=url, account_key=KEY)
        single = batchscribe(
            *(server, "job", "submit", "az://calls/theirs/a.wav", "--auth", owner, "--watch"),
            *("--output", "az://transcripts/single/", "--format", "txt"),
        )
        assert single.returncode == 0, single.stderr

        wrong = credentials(folder, "wrong", account_url=url, account_key=WRONG_KEY)
        late = credentials(folder, "late", account_url=url, sas_token=expired)
        for number, (auth, output_auth, reason) in enumerate(
            (
                (wrong, writer, "BUCKET_READ_DENIED"),
                (late, writer, "BUCKET_READ_DENIED"),
                (writer, writer, "BUCKET_READ_DENIED"),
                (reader, reader, "BUCKET_WRITE_DENIED"),
                (reader, wrong, "BUCKET_WRITE_DENIED"),
            )
        ):
            submit(f"denied-{number}", "az://calls/theirs", auth, "az://transcripts/denied/", output_auth)
            batch = json.loads(batchscribe(server, "batch", "get", f"denied-{number}", "--json").stdout)
            assert (batch["state"], batch["error"]["reason"]) == ("STATE_FAILED", reason)
            assert int(batch.get("counts", {}).get("total", 0)) == 0  # nothing was heard

        elsewhere = credentials(folder, "elsewhere", account_url=endpoint + "/others", account_key=KEY)
        for auth, words_of_it in ((elsewhere, "PATH_NOT_ALLOWED"), (reader, "az://container/blob")):
            source = (
                "az://calls/a.wav" if auth == elsewhere else f"https://spoken.blob.core.windows.net/calls?{reading}"
            )
            refused = batchscribe(server, "batch", "submit", source, *(("--auth", auth) if auth == elsewhere else ()))
            assert refused.returncode != 0
            assert words_of_it in " ".join(refused.stderr.split())
            told.append(refused.stderr)

        told += [
            retried.stderr + single.stdout + single.stderr,
            *(
                batchscribe(server, "batch", *asked, "--json").stdout
                for asked in (("list",), ("jobs", "with-credentials"))
            ),
            server.log.read_text(),
        ]
        on_disk = [path.read_bytes() for path in server.data_dir.rglob("*") if path.is_file()]
        secrets = [
            KEY,
            WRONG_KEY,
            *(token.partition("sig=")[2].partition("&")[0] for token in (reading, writing, expired)),
        ]
        for secret in secrets:
            assert len(secret) > 20
            assert all(secret not in text and unquote(secret) not in text for text in told)
            assert all(unquote(secret).encode() not in data and secret.encode() not in data for data in on_disk)
        assert any(b"with-credentials" in data for data in on_disk)


@needs_azurite
@pytest.mark.slow
def test_a_profile_of_the_server_is_named_by_its_clients(endpoint: str, tmp_path: Path) -> None:
    asyncio.run(filled(endpoint, {"in/a.wav": spoken(TEXT).read_bytes()}))
    (tmp_path / "files").mkdir()
    config = tmp_path / "settings.toml"
    config.write_text(
        "".join(
            f"[storage.azure_profiles.{name}]\ncontainers = ['{container}']\n"
            f"account_url = '{account_url(endpoint)}'\naccount_key = '{KEY}'\n"
            for name, container in (("calls", "calls"), ("results", "transcripts"))
        )
    )
    with running_server(tmp_path / "files", "--model=tiny.en", f"--config={config}") as server:
        arguments = ("job", "submit", "az://calls/in/a.wav", "--format", "txt", "--watch", "--profile", "calls")
        done = batchscribe(server, *arguments, "--output", "az://transcripts/out/", "--output-profile", "results")
        assert done.returncode == 0, done.stderr
        for refused in (
            batchscribe(server, *arguments, "--output", "az://transcripts/out/"),
            batchscribe(server, "job", "submit", "az://calls/in/a.wav", "--profile", "none"),
            batchscribe(server, "job", "submit", "s3://calls/in/a.wav", "--profile", "calls"),
            batchscribe(server, "job", "submit", "az://calls/in/a.wav"),
        ):
            assert "PATH_NOT_ALLOWED" in refused.stderr
        assert KEY not in server.log.read_text()
    written = asyncio.run(blobs(endpoint, "transcripts"))
    assert [words(text) for text in written.values()] == [words(TEXT)]


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
