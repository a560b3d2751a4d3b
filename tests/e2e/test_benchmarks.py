"""`make bench` on two files: every system of this repository does its part, and the figures come out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEMS = ("engine", "service", "batched", "limit")


def run(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, "--model", "tiny.en", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_synthesised_files_are_compared(tmp_path: Path) -> None:
    arguments = ["--sets", "short", "--short-files", "2", "--rounds", "1", "--word-times", "on"]

    told = run("benchmarks", *arguments, "--systems", *SYSTEMS, "--results", str(tmp_path))

    (kept,) = [json.loads(path.read_text()) for path in tmp_path.glob("*-benchmarks.json")]
    systems = kept[0]["systems"]
    assert list(systems) == list(SYSTEMS)
    assert {name: system["absence"] for name, system in systems.items()} == dict.fromkeys(SYSTEMS, "")
    assert {name: system["error_rate"]["median"] < 0.1 for name, system in systems.items()} == dict.fromkeys(
        SYSTEMS, True
    )
    for system in systems.values():
        (round_,) = system["rounds"]
        # A model is 40 MB; no process tree of one is far from it.
        assert 40e6 < max(sample["size_bytes"] for sample in round_["memory"]) < 4e9
        assert round_["cpu_s"] > 0
    assert "- speech: 18 sentences said by a synthesiser" in told
    assert "- command: `python -m benchmarks --model tiny.en --sets short" in told
    assert str(tmp_path.parent) not in told.rpartition("kept as")[0]
    assert "| faster-whisper, batched pipeline 1.2.1" in told
    assert "The engine's share of the limit: " in told
    assert "The whole service against the engine called directly: " in told
    assert next(tmp_path.glob("*-benchmarks.md")).read_text() in told
    assert next(tmp_path.glob("*-benchmarks.png")).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_cost_is_told_by_size(tmp_path: Path) -> None:
    told = run("benchmarks.cost", "--counts", "1", "--minutes", "0.1", "--results", str(tmp_path))

    sizes = json.loads(next(tmp_path.glob("*-cost.json")).read_text())
    assert [size["size"] for size in sizes] == ["1 file", "1 file of 0.1 min"]
    assert all(size["rounds"][0]["took_s"] > 0 for size in sizes)
    assert told.count("| 1.00") == 2  # the smallest of each series
    assert next(tmp_path.glob("*-cost.png")).read_bytes().startswith(b"\x89PNG")
