"""What `batch submit` takes its argument for."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.batch import input_config
from batchscribe.v1.storage_pb2 import InputConfig


def prefix_or_file(source: str, include: list[str], exclude: list[str]) -> InputConfig:
    found = input_config(source, include, exclude, None)
    assert isinstance(found, InputConfig)
    return found


@pytest.mark.parametrize("manifest", ["s3://b/list.csv", "https://h/list?sig=1", "media/0199-ab"])
def test_a_manifest_that_the_server_reads_is_passed_on(manifest: str) -> None:
    found = input_config(None, [], [], manifest)
    assert isinstance(found, InputConfig)
    assert found.manifest.manifest_uri == manifest


def test_a_folder_or_a_bucket_is_a_prefix_and_one_file_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert prefix_or_file(str(tmp_path), ["*.wav"], []).prefix.uri == tmp_path.as_uri() + "/"
    assert prefix_or_file("s3://calls/may", [], ["x"]).prefix.exclude_globs == ["x"]
    assert prefix_or_file(str(tmp_path / "a.wav"), [], []).uri == (tmp_path / "a.wav").as_uri()
    assert prefix_or_file("HTTPS://host/a.wav?sig=1", [], []).uri == "HTTPS://host/a.wav?sig=1"


@pytest.mark.parametrize("source", ["https://host/a.wav", __file__])
def test_globs_choose_nothing_where_there_is_one_file(source: str) -> None:
    with pytest.raises(ValueError, match="--include"):
        input_config(source, ["*.wav"], [], None)
