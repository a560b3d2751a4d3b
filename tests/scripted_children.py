"""A `LocalTranscriber` over the scripted children, on real processes, and what tests need around it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.transcriber import HeardSegment, Transcription, TranscriptionRequest
from batchscribe_server.transcriber import LocalTranscriber, TranscriberConfig, WorkerLimits
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.deadlines import WatchdogLimits
from tests.open_files import opened

TESTS = Path(__file__).parent
PATIENCE_S = 40.0

MULTILINGUAL = Model("scripted", ModelSource.PATH, "/models/scripted", 1, ("en", "de", "fr"))

QUICK = TranscriberConfig(
    slots=16,
    batches=BatchLimits(max_wait_s=0.01),
    media=WorkerLimits(workers=1, spare_workers=0, stall_s=5.0, tick_s=0.02),
    watchdog=WatchdogLimits(factor=5.0, floor_s=0.4, first_guess=0.0, heartbeat_s=1.0, start_s=5.0, tick_s=0.02),
    backoff=Backoff(first_s=0.01, longest_s=0.05),
    handshake_timeout_s=PATIENCE_S,
    grace_s=3.0,
)

TWO_WORKERS = replace(QUICK, media=replace(QUICK.media, workers=2))


@dataclass
class Children:
    """The scripts of the children of one test and what they leave behind.

    There is one engine and as many more as have a script in `more_engines`; all write into one journal.
    """

    folder: Path
    engine_script: dict[str, Any] = field(default_factory=dict)
    concurrency: int = 1
    more_engines: tuple[dict[str, Any], ...] = ()

    def config(self, base: TranscriberConfig = QUICK) -> TranscriberConfig:
        """A config that starts the scripted children."""
        self.write()
        program = (sys.executable, str(TESTS / "scripted_engine.py"), "--concurrency", str(self.concurrency))
        return replace(
            base,
            engine_argvs=tuple(
                (*program, "--script", str(script), "--journal", str(self._journal)) for script in self._scripts
            ),
            media_argv=(sys.executable, str(TESTS / "scripted_media.py")),
        )

    def write(self) -> None:
        """Let the next engines that start follow the scripts as they are now."""
        for path, script in self._scripts.items():
            path.write_text(json.dumps(script))

    def batches(self) -> list[dict[str, Any]]:
        """The batches that engines started, in order."""
        if not self._journal.exists():
            return []
        return [json.loads(line) for line in self._journal.read_text().splitlines()]

    @property
    def _scripts(self) -> dict[Path, dict[str, Any]]:
        scripts = (self.engine_script, *self.more_engines)
        return {self.folder / f"engine-{number}.json": script for number, script in enumerate(scripts)}

    @property
    def _journal(self) -> Path:
        return self.folder / "journal.jsonl"


@asynccontextmanager
async def running(config: TranscriberConfig, observer: EngineObserver | None = None) -> AsyncIterator[LocalTranscriber]:
    """A transcriber that is ready; when it is left, none of its children are."""
    before = children_of_this_process()
    async with LocalTranscriber(config, observer=observer) as transcriber:
        async with asyncio.timeout(PATIENCE_S):
            await transcriber.wait_ready()
        yield transcriber
    assert children_of_this_process() <= before


def request(path: Path, **changes: Any) -> TranscriptionRequest:
    """A request for a scripted file, in English unless said otherwise."""
    plain = TranscriptionRequest(
        job_id=path.stem, descriptor=opened(path), model=MULTILINGUAL, config=RecognitionConfig(), language="en"
    )
    return replace(plain, **changes)


async def hear(transcriber: LocalTranscriber, asked: TranscriptionRequest) -> list[Transcription]:
    """All that a file gives."""
    heard: list[Transcription] = []
    await collect(transcriber.transcribe(asked), heard)
    return heard


async def collect(stream: AsyncGenerator[Transcription], heard: list[Transcription]) -> None:
    """Read a stream to its end, or to its failure, keeping what came."""
    async with asyncio.timeout(PATIENCE_S), aclosing(stream) as events:
        async for event in events:
            heard.append(event)


def texts(events: Iterable[Transcription] | BaseException) -> list[str]:
    """What was heard; there must have been no failure instead."""
    if isinstance(events, BaseException):
        raise events
    return [event.text for event in events if isinstance(event, HeardSegment)]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process brings about."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


def children_of_this_process(program: str = "") -> set[int]:
    """The pids of the children that run a program of that name."""
    found = set()
    for child in psutil.Process().children():
        try:
            if program in " ".join(child.cmdline()):
                found.add(child.pid)
        except psutil.NoSuchProcess:
            continue
    return found
