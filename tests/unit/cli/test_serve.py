"""`serve` hands on what was said, and only that."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from batchscribe.cli import app


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What a server in the real one's place is told; it ends with 7."""
    calls: list[Mapping[str, object]] = []
    server = types.ModuleType("batchscribe_server.app")

    def serve(options: Mapping[str, object]) -> int:
        calls.append(options)
        return 7

    server.serve = serve  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "batchscribe_server.app", server)
    return calls


def test_nothing_said_is_nothing_handed_on(told: list[Mapping[str, object]]) -> None:
    assert CliRunner().invoke(app, ["serve"]).exit_code == 7
    assert told == [{}]


def test_what_was_said_is_handed_on(told: list[Mapping[str, object]]) -> None:
    CliRunner().invoke(
        app,
        [
            *("serve", "--listen", "0.0.0.0:1", "--file-root", "/a", "--file-root", "/b", "--model", "tiny.en"),
            *("--drain-timeout", "0", "--log-format", "json", "--media-workers", "3"),
            *("--metrics-listen", "127.0.0.1:9464"),
            *("--admin-listen", "127.0.0.1:50052"),
        ],
    )
    assert told == [
        {
            "listen": "0.0.0.0:1",
            "file_root": [Path("/a"), Path("/b")],
            "model": "tiny.en",
            "drain_timeout_s": 0.0,
            "log_format": "json",
            "media_workers": 3,
            "metrics_listen": "127.0.0.1:9464",
            "admin_listen": "127.0.0.1:50052",
        }
    ]


def test_help_names_the_exit_codes() -> None:
    result = CliRunner().invoke(app, ["job", "watch", "--help"])
    assert "130 interrupted" in " ".join(result.stdout.split())
