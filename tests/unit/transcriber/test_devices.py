"""The devices that a setting names, completed by asking a child, and the engines that are started for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from batchscribe_server.settings import load_settings
from batchscribe_server.transcriber.commands import EngineOptions, engine_argvs
from batchscribe_server.transcriber.devices import (
    LISTING_ARGV,
    DeviceMissingError,
    default_slots,
    listed_devices,
    parsed_devices,
    resolved_devices,
)


def listing(gpus: int) -> tuple[str, ...]:
    return sys.executable, "-c", f"print({json.dumps(json.dumps({'cuda': gpus}))})"


@pytest.mark.parametrize(
    ("setting", "devices"),
    [
        ("auto", ("auto",)),
        ("cpu", ("cpu",)),
        ("cuda", ("cuda",)),
        ("cuda:1", ("cuda:1",)),
        ("cuda:0, cuda:1", ("cuda:0", "cuda:1")),
        ("cpu,cpu", ("cpu", "cpu")),
        ("cuda,cpu", ("cuda", "cpu")),
    ],
)
def test_a_setting_names_devices_in_order(setting: str, devices: tuple[str, ...]) -> None:
    assert parsed_devices(setting) == devices


@pytest.mark.parametrize("setting", ["", "gpu", "cuda:", "cuda:x", "auto,cpu", "cpu,", "cpu:0"])
def test_what_is_no_device_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="is no device"):
        parsed_devices(setting)


@pytest.mark.parametrize("setting", ["cuda:0,cuda:0", "cuda,cuda:1", "cuda,cuda"])
def test_a_gpu_that_is_named_twice_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        parsed_devices(setting)


@pytest.mark.parametrize(("option", "words"), [("device", "is no device"), ("slots", "at least 8")])
def test_the_settings_refuse_what_cannot_be_honoured(option: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"BATCHSCRIBE_ENGINE__{option.upper()}", {"device": "tpu", "slots": "7"}[option])
    with pytest.raises(ValueError, match=words):
        load_settings({})


@pytest.mark.parametrize(
    ("wanted", "gpus", "devices"),
    [
        ("auto", 0, ("cpu",)),
        ("auto", 2, ("cuda:0", "cuda:1")),
        ("cuda", 3, ("cuda:0", "cuda:1", "cuda:2")),
        ("cuda,cpu", 1, ("cuda:0", "cpu")),
    ],
)
async def test_all_gpus_are_used_where_they_are_not_named(wanted: str, gpus: int, devices: tuple[str, ...]) -> None:
    assert await resolved_devices(parsed_devices(wanted), listing_argv=listing(gpus)) == devices


@pytest.mark.parametrize(
    ("wanted", "compute_type", "gpus", "words"),
    [
        ("cuda", "auto", 0, "asks for cuda, and this machine has cpu"),
        ("cuda:2,cpu", "auto", 2, "asks for cuda:2, and this machine has cpu, cuda:0, cuda:1"),
        ("cpu", "int3", 0, "'int3', and cpu has float32, int8"),
        ("auto", "int8", 1, "'int8', and cuda has float16"),
    ],
)
async def test_what_is_not_there_is_told_at_start(wanted: str, compute_type: str, gpus: int, words: str) -> None:
    types = {"cpu": ["int8", "float32"], "cuda": ["float16"]}
    argv = sys.executable, "-c", f"print({json.dumps(json.dumps({'cuda': gpus, 'compute_types': types}))})"
    with pytest.raises(DeviceMissingError, match=words):
        await resolved_devices(parsed_devices(wanted), compute_type, argv)


async def test_no_child_is_asked_where_nothing_is_to_be_found_out(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    argv = (sys.executable, "-c", f"open({str(asked)!r}, 'w')")
    assert await resolved_devices(("cpu", "cpu"), listing_argv=argv) == ("cpu", "cpu")
    assert not asked.exists()


@pytest.mark.parametrize("code", ["import sys; sys.exit('no driver')", "print('two')", "print('{}')"])
async def test_a_child_that_fails_leaves_the_choice_to_the_engine(code: str) -> None:
    assert await resolved_devices(("auto",), listing_argv=(sys.executable, "-c", code)) == ("auto",)


async def test_the_real_child_counts_what_ctranslate2_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    listing = await listed_devices(LISTING_ARGV)
    assert listing.cuda == 0
    assert {"int8", "float32"} <= set(listing.compute_types["cpu"])


def option(argv: tuple[str, ...], name: str) -> str:
    return argv[argv.index(name) + 1]


@pytest.mark.parametrize(
    ("devices", "concurrency", "started"),
    [
        (("cpu",), 0, [("cpu", "0")]),
        (("cpu", "cpu"), 0, [("cpu", "2"), ("cpu", "3")]),
        (("cpu",) * 6, 0, [("cpu", "1")] * 6),
        (("cuda:0", "cpu", "cpu"), 0, [("cuda:0", "0"), ("cpu", "2"), ("cpu", "3")]),
        (("cpu", "cpu"), 4, [("cpu", "4"), ("cpu", "4")]),
    ],
)
def test_engines_on_the_cpu_divide_five_cores(
    devices: tuple[str, ...], concurrency: int, started: list[tuple[str, str]]
) -> None:
    argvs = engine_argvs(EngineOptions(concurrency=concurrency), devices, cores=5)
    assert [(option(argv, "--device"), option(argv, "--concurrency")) for argv in argvs] == started


def test_each_gpu_gets_slots_for_its_batches() -> None:
    assert default_slots(("cpu", "cpu")) == 128
    assert default_slots(("cuda:0", "cuda:1", "cpu")) == 1024
