"""`calibrate` hands on what was said, and only that."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from batchscribe.cli import app


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What the module in the real one's place is told; it ends with 7."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    server = types.ModuleType("batchscribe_server.calibrate")

    def calibrate(*arguments: Any, **options: Any) -> int:
        calls.append((arguments, options))
        return 7

    server.calibrate = calibrate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "batchscribe_server.calibrate", server)
    return calls


NOTHING_SAID = {
    "margins_s": (),
    "as_it_is": False,
    "beam_size": 1,
    "language": "",
    "note": "",
    "json": False,
    "options": {},
}


def test_nothing_said_is_nothing_handed_on(told: list[object]) -> None:
    assert CliRunner().invoke(app, ["calibrate", "base", "speech"]).exit_code == 7
    assert told == [(("base", Path("speech")), NOTHING_SAID)]


def test_what_was_said_is_handed_on(told: list[object]) -> None:
    arguments = ["--margin", "0.5", "--margin", "2", "--as-it-is", "--beam", "5", "--language", "de", "--note", "calls"]
    settings = ["--data-dir", "/data", "--device", "cpu", "--compute-type", "int8", "--config", "/etc/b.toml"]
    CliRunner().invoke(app, ["--json", "calibrate", "./model", "speech", *arguments, *settings])
    said = {
        "margins_s": [0.5, 2.0],
        "as_it_is": True,
        "beam_size": 5,
        "language": "de",
        "note": "calls",
        "json": True,
        "options": {
            "data_dir": Path("/data"),
            "device": "cpu",
            "compute_type": "int8",
            "config": Path("/etc/b.toml"),
        },
    }
    assert told == [(("./model", Path("speech")), said)]


@pytest.mark.parametrize("option", [("--margin", "30"), ("--margin", "-1"), ("--margin", "nan"), ("--beam", "0")])
def test_values_that_can_be_no_such_thing_are_refused(option: tuple[str, str], told: list[object]) -> None:
    assert CliRunner().invoke(app, ["calibrate", "base", "speech", *option]).exit_code == 2
    assert told == []
