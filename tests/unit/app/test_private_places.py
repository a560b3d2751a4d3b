"""What only the server may read and write is in no folder that its clients may name."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.private_places import check_file_roots
from batchscribe_server.settings import load_settings
from tests.running_server import BATCHSCRIBE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data", "files", "other"):
        (tmp_path / name).mkdir()
    for name in ("files/settings.toml", "files/keys"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(tmp_path / "files")
    (tmp_path / "way-to-data").symlink_to(tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize(
    ("roots", "more", "words"),
    [
        (["."], {}, "the data directory FOLDER/data is in the file root FOLDER"),
        (["data"], {}, "the data directory FOLDER/data is in the file root FOLDER/data"),
        (["files", "way-to-data"], {}, "is in the file root FOLDER/way-to-data"),
        (["way-to-data/media"], {}, "the file root FOLDER/way-to-data/media is in the data directory FOLDER/data"),
        (["files"], {"data_dir": "link/data"}, "the data directory FOLDER/link/data is in the file root FOLDER/files"),
        (["link"], {"database": {"url": "sqlite:///FOLDER/files/jobs.db"}}, "the database FOLDER/files/jobs.db is in"),
        (["files"], {"secrets": {"file": "FOLDER/link/keys"}}, "the file of secrets FOLDER/link/keys is in"),
        (["files"], {"config": "FOLDER/link/settings.toml"}, "the settings file FOLDER/link/settings.toml is in"),
    ],
)
def test_it_is_refused_in_a_file_root_whatever_links_lead_there(
    folder: Path, roots: list[str], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(StartupError) as refused:
        check_file_roots(load_settings(_options(folder, roots, more)))
    assert words.replace("FOLDER", str(folder)) in str(refused.value)


def test_beside_them_it_is_fine(folder: Path) -> None:
    postgres = {"database": {"url": "postgresql://files/x"}}
    check_file_roots(load_settings(_options(folder, ["files", "other", "data-of-others"], {})))
    check_file_roots(load_settings(_options(folder, ["files"], postgres)))
    check_file_roots(load_settings(_options(folder, [], {})))


def test_a_server_does_not_start_so(folder: Path) -> None:
    command = [str(BATCHSCRIBE), "serve", "--listen=127.0.0.1:0", f"--data-dir={folder}/data", f"--file-root={folder}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        f"batchscribe: the data directory {folder}/data is in the file root {folder}, so that clients could name it. "
        "Move it out, or give a narrower --file-root."
    )
    assert list((folder / "data").iterdir()) == []


def _options(folder: Path, roots: list[str], more: dict[str, Any]) -> dict[str, Any]:
    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        return value.replace("FOLDER", str(folder))

    options = {"file_root": [folder / root for root in roots], **filled(more)}
    options["data_dir"] = folder / more.get("data_dir", "data")
    return options
