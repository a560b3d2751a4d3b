"""What the real children start in: no folder to import from, no secrets, nobody to report to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from batchscribe_engine.arena import Arena
from batchscribe_engine.messages import FromMediaWorker
from batchscribe_server.transcriber.child import Child
from batchscribe_server.transcriber.commands import MediaOptions, media_argv, media_command
from batchscribe_server.transcriber.surroundings import child_environment


async def test_a_media_worker_imports_and_leaves_nothing_where_its_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder, imported = tmp_path / "home", tmp_path / "folder", tmp_path / "imported"
    home.mkdir()
    folder.mkdir()
    for module in ("onnxruntime", "av", "numpy", "sitecustomize"):
        (folder / f"{module}.py").write_text(f"open({str(imported)!r}, 'w')")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PYTHONPATH", f"{os.pathsep}.")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    arena = Arena.create(1)
    try:
        child: Child[FromMediaWorker]
        child, _ = await Child.spawn(media_command(media_argv(MediaOptions()), 60, 10), arena.descriptor)
        process = Path(f"/proc/{child.pid}")
        assert (process / "cwd").readlink() == Path("/")
        assert b"secret" not in (process / "environ").read_bytes()
        await child.end()
    finally:
        arena.close()
    assert not imported.exists()
    assert list(home.rglob("*")) == []  # where onnxruntime keeps what it is going to send


def test_of_the_environment_children_get_what_is_on_a_list() -> None:
    environment = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "CUDA_VISIBLE_DEVICES": "1",
        "OMP_NUM_THREADS": "2",
        "HF_TOKEN": "secret",
        "BATCHSCRIBE_STORE__URL": "secret",
        "HTTPS_PROXY": "http://secret@proxy",
        "PYTHONPATH": "/opt/packages:relative:",
    }
    given = child_environment(environment)
    assert "secret" not in " ".join(given.values())
    assert given.items() >= {"PATH": "/bin", "LC_ALL": "C", "CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": "2"}.items()
    assert given["PYTHONPATH"] == "/opt/packages"
    assert given["ORT_DISABLE_TELEMETRY"] == "1"
