"""The diarizer's supervision, over a scripted child on real processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchscribe_server.domain.party import Party
from batchscribe_server.domain.recognition import Diarization, DiarizationMode
from batchscribe_server.domain.speakers import SpeakerTurn
from batchscribe_server.operations.diarizer import DiarizationFailure, DiarizationRequest
from batchscribe_server.operations.transcriber import TranscriberClosedError
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.diarizer import DiarizerConfig, LocalDiarizer
from tests.open_files import opened
from tests.scripted_children import PATIENCE_S, TESTS, children_of_this_process, until
from tests.scripted_diarizer import seen, write_script

ARGV = (sys.executable, str(TESTS / "scripted_diarizer.py"))
QUICK = DiarizerConfig(
    argv=ARGV,
    max_duration_ms=60_000,
    silence_s=1.0,
    silence_factor=0.0,
    tick_s=0.02,
    idle_s=60.0,
    backoff=Backoff(first_s=0.01, longest_s=0.05),
    handshake_timeout_s=PATIENCE_S,
)


@asynccontextmanager
async def running(config: DiarizerConfig = QUICK) -> AsyncIterator[LocalDiarizer]:
    """A diarizer; when it is left, its child is gone."""
    before = children_of_this_process()
    async with asyncio.timeout(PATIENCE_S), LocalDiarizer(config) as diarizer:
        yield diarizer
    assert children_of_this_process() <= before


def request(path: Path, **changes: Any) -> DiarizationRequest:
    plain = DiarizationRequest(path.stem, opened(path), Diarization(DiarizationMode.SPEAKER))
    return replace(plain, **changes)


async def test_turns_come_with_speakers_numbered_as_they_appear(tmp_path: Path) -> None:
    script = write_script(tmp_path / "a", [(900, 1_500, 4, None), (0, 800, 7, None), (1_600, 1_600, 9, None)])
    asked = request(
        script,
        diarization=Diarization(DiarizationMode.SPEAKER, min_speakers=2, max_speakers=3),
        file_name="a.mp3",
        start_offset_ms=10,
        end_offset_ms=5_000,
    )
    async with running() as diarizer:
        assert diarizer.available
        assert not children_of_this_process("scripted_diarizer")  # it starts with the first file
        assert await diarizer.speakers(asked) == [SpeakerTurn(0, 800, 0), SpeakerTurn(900, 1_500, 1)]
    (task,) = seen(script)
    assert {name: task[name] for name in ("file_name", "start_ms", "end_ms", "min_speakers", "max_speakers")} == {
        "file_name": "a.mp3",
        "start_ms": 10,
        "end_ms": 5_000,
        "min_speakers": 2,
        "max_speakers": 3,
    }
    assert task["max_duration_ms"] == QUICK.max_duration_ms


@pytest.mark.parametrize("accident", ["SIGKILL", "SIGSEGV", "babble", "stray", "hang"])
async def test_a_child_that_is_lost_costs_an_attempt(tmp_path: Path, accident: str) -> None:
    script = write_script(tmp_path / "a", [(0, 800, 0, None)], accidents=[accident])
    async with running() as diarizer:
        assert await diarizer.speakers(request(script)) == [SpeakerTurn(0, 800, 0)]
    first, second = seen(script)
    assert first["pid"] != second["pid"]


async def test_a_file_that_costs_all_its_attempts_fails_alone(tmp_path: Path) -> None:
    deadly = write_script(tmp_path / "deadly", accidents=["SIGKILL"] * 9)
    harmless = write_script(tmp_path / "harmless", [(0, 800, 0, None)])
    async with running() as diarizer:
        answers = await asyncio.gather(
            diarizer.speakers(request(deadly)), diarizer.speakers(request(harmless)), return_exceptions=True
        )
    assert isinstance(answers[0], DiarizationFailure)
    assert answers[0].reason == "DIARIZATION_FAILED"
    assert "SIGKILL" in answers[0].message
    assert answers[1] == [SpeakerTurn(0, 800, 0)]
    assert len(seen(deadly)) == QUICK.max_attempts


async def test_a_long_file_may_be_silent_for_longer(tmp_path: Path) -> None:
    script = write_script(tmp_path / "long", accidents=["wait"], decoded_ms=3_600_000)
    async with running(replace(QUICK, silence_s=0.1, silence_factor=1.0)) as diarizer:
        asked = asyncio.create_task(diarizer.speakers(request(script)))
        await until(lambda: bool(seen(script)))
        short = write_script(tmp_path / "short", accidents=["hang", "hang"])
        asked.cancel()  # had it been killed for its silence it would have been seen again
        with pytest.raises(DiarizationFailure, match="no sign of life"):
            await diarizer.speakers(request(short))
    assert len(seen(script)) == 1


async def test_a_file_that_gets_a_higher_priority_while_it_waits_is_served_first(tmp_path: Path) -> None:
    first = write_script(tmp_path / "first", accidents=["wait"])
    later = [write_script(tmp_path / name) for name in ("second", "third")]
    served: list[str] = []
    async with running() as diarizer:

        async def ask(script: Path) -> None:
            await diarizer.speakers(request(script, party=Party(batch_id=script.name)))
            served.append(script.name)

        busy = asyncio.create_task(ask(first))
        await until(lambda: bool(seen(first)))
        waiting = [asyncio.create_task(ask(script)) for script in later]
        await asyncio.sleep(0)  # both have asked
        diarizer.prioritize("third", 1)
        diarizer.prioritize("nobody", 1)
        busy.cancel()
        await asyncio.gather(*waiting)
    assert served == ["third", "second"]


@pytest.mark.parametrize(
    ("reason", "told"), [("MEDIA_TOO_LONG", "DIARIZATION_TOO_LONG"), ("ODD", "DIARIZATION_FAILED")]
)
async def test_what_the_child_says_is_not_tried_again(tmp_path: Path, reason: str, told: str) -> None:
    script = write_script(tmp_path / "a", failure=[reason, "No."])
    async with running() as diarizer:
        with pytest.raises(DiarizationFailure, match=r"No\.") as failed:
            await diarizer.speakers(request(script))
    assert failed.value.reason == told
    assert len(seen(script)) == 1


async def test_a_child_that_does_not_start_fails_the_file(tmp_path: Path) -> None:
    script = write_script(tmp_path / "a")
    async with running(replace(QUICK, argv=(*ARGV, "--exit-at-start=7"))) as diarizer:
        with pytest.raises(DiarizationFailure, match="exit code 7"):
            await diarizer.speakers(request(script))


async def test_a_file_that_meets_a_fault_of_the_service_fails_alone(tmp_path: Path) -> None:
    harmless = write_script(tmp_path / "harmless", [(0, 800, 0, None)])
    unutterable = request(harmless, file_name="\udcff")  # no message can hold such a name
    async with running(replace(QUICK, grace_s=0.1)) as diarizer:
        await diarizer.speakers(request(harmless))
        calls = [asyncio.create_task(diarizer.speakers(asked)) for asked in (unutterable, request(harmless))]
        with pytest.raises(DiarizationFailure, match="see its log") as failed:
            await calls[0]
        assert await calls[1] == [SpeakerTurn(0, 800, 0)]
    assert failed.value.reason == "DIARIZATION_FAILED"
    first, second = seen(harmless)
    assert first["pid"] != second["pid"]  # what state the child is in is not known after that


async def test_a_file_that_nobody_waits_for_gives_way_and_the_child_stays(tmp_path: Path) -> None:
    endless = write_script(tmp_path / "endless", accidents=["wait"])
    queued = write_script(tmp_path / "queued")
    last = write_script(tmp_path / "last", [(0, 800, 0, None)])
    async with running(replace(QUICK, silence_s=PATIENCE_S)) as diarizer:
        calls = [asyncio.create_task(diarizer.speakers(request(script))) for script in (endless, queued)]
        await until(lambda: bool(seen(endless)))
        for call in reversed(calls):
            call.cancel()
        assert await diarizer.speakers(request(last))
    assert not seen(queued)
    assert seen(last)[0]["pid"] == seen(endless)[0]["pid"]


async def test_an_idle_child_is_ended_and_started_again(tmp_path: Path) -> None:
    script = write_script(tmp_path / "a", [(0, 800, 0, None)])
    async with running(replace(QUICK, idle_s=0.01)) as diarizer:
        await diarizer.speakers(request(script))
        await until(lambda: not children_of_this_process("scripted_diarizer"))
        await diarizer.speakers(request(script))
    first, second = seen(script)
    assert first["pid"] != second["pid"]


async def test_tenants_take_turns(tmp_path: Path) -> None:
    endless = write_script(tmp_path / "endless", accidents=["wait"])
    async with running(replace(QUICK, silence_s=PATIENCE_S)) as diarizer:
        first = asyncio.create_task(diarizer.speakers(request(endless, party=Party("many"))))
        await until(lambda: bool(seen(endless)))
        order: list[str] = []

        async def ask(name: str, tenant: str) -> None:
            await diarizer.speakers(request(write_script(tmp_path / name), party=Party(tenant)))
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, tenant in (("many-1", "many"), ("many-2", "many"), ("few-1", "few")):
                group.create_task(ask(name, tenant))
            await asyncio.sleep(0)
            first.cancel()
    assert order.index("few-1") < order.index("many-2")


async def test_who_waits_when_it_is_closed_is_told_so(tmp_path: Path) -> None:
    endless = write_script(tmp_path / "endless", accidents=["hang"])
    async with running(replace(QUICK, grace_s=0.1)) as diarizer:
        call = asyncio.create_task(diarizer.speakers(request(endless)))
        await until(lambda: bool(seen(endless)))
    with pytest.raises(TranscriberClosedError):
        await call
    with pytest.raises(TranscriberClosedError):
        await diarizer.speakers(request(endless))


async def test_without_the_extra_it_is_not_available(tmp_path: Path) -> None:
    async with LocalDiarizer(QUICK, available=False) as diarizer:
        assert not diarizer.available
        with pytest.raises(DiarizationFailure, match=r"batchscribe\[diarization\]") as failed:
            await diarizer.speakers(request(write_script(tmp_path / "a", [])))
    assert failed.value.reason == "DIARIZATION_UNAVAILABLE"
