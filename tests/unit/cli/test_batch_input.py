"""What `batch submit` takes its argument for."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.batch import input_config


def test_a_folder_or_a_bucket_is_a_prefix_and_one_file_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    assert input_config(str(tmp_path), ["*.wav"], [], None).prefix.uri == tmp_path.as_uri() + "/"
    assert input_config("s3://calls/may", [], ["x"], None).prefix.exclude_globs == ["x"]
    assert input_config(str(tmp_path / "a.wav"), [], [], None).uri == (tmp_path / "a.wav").as_uri()
    assert input_config("HTTPS://host/a.wav?sig=1", [], [], None).uri == "HTTPS://host/a.wav?sig=1"


@pytest.mark.parametrize("source", ["https://host/a.wav", __file__])
def test_globs_choose_nothing_where_there_is_one_file(source: str) -> None:
    with pytest.raises(ValueError, match="--include"):
        input_config(source, ["*.wav"], [], None)
