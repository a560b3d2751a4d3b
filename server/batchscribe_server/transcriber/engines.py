"""The inference processes of this machine: one for each device, all fed from one backlog and one arena."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from batchscribe_engine.messages import EngineStatus
from batchscribe_server.operations.observers import EngineObserver
from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.operations.tracing import Tracing
from batchscribe_server.transcriber.backlog import Backlog
from batchscribe_server.transcriber.backoff import Backoff
from batchscribe_server.transcriber.batcher import BatchLimits
from batchscribe_server.transcriber.child import ChildCommand
from batchscribe_server.transcriber.deadlines import WatchdogLimits
from batchscribe_server.transcriber.engine_process import EngineProcess
from batchscribe_server.transcriber.slots import SlotAllocator


class Engines:
    """The supervisors of all inference processes. Each has its own watchdog and backoff; one at work is enough."""

    def __init__(
        self,
        commands: Sequence[ChildCommand],
        arena_descriptor: int,
        slots: SlotAllocator,
        backlog: Backlog,
        *,
        batches: BatchLimits,
        watchdog: WatchdogLimits,
        backoff: Backoff,
        max_deaths: int,
        observer: EngineObserver,
        tracing: Tracing,
    ) -> None:
        self._backlog = backlog
        self._processes = [
            EngineProcess(
                command,
                arena_descriptor,
                slots,
                backlog,
                number=number,
                batches=batches,
                limits=watchdog,
                backoff=backoff,
                max_deaths=max_deaths,
                observer=observer,
                tracing=tracing,
            )
            for number, command in enumerate(commands, start=1)
        ]

    async def run(self) -> None:
        """Keep all of them running until cancelled, then end them in good order."""
        async with asyncio.TaskGroup() as group:
            for process in self._processes:
                name = f"engine-{process.number}-supervisor"
                group.create_task(keep_running(name, process.run), name=name)

    @property
    def ready(self) -> bool:
        """True while any of them can take work."""
        return self._backlog.staffed.is_set()

    @property
    def reason(self) -> str:
        """Why some of them take no work, in words; empty when all do."""
        if len(self._processes) == 1:
            return self._processes[0].reason
        return "; ".join(
            f"engine {process.number} of {len(self._processes)}: {process.reason}"
            for process in self._processes
            if process.reason
        )

    @property
    def device(self) -> str:
        """The devices that work, such as "cuda:0, cuda:1"."""
        return ", ".join(process.hello.device for process in self._processes if process.hello)

    @property
    def compute_type(self) -> str:
        """The precision they work in: several where the devices differ."""
        return ", ".join(_distinct(process.hello.compute_type for process in self._processes if process.hello))

    @property
    def loaded_models(self) -> tuple[str, ...]:
        """The names of the models that are in the memory of any of them."""
        return tuple(_distinct(model.name for beat in self._heartbeats for model in beat.models))

    @property
    def model_bytes(self) -> Mapping[str, int]:
        """What each model that is loaded takes of the devices' memory, by the engines' estimate, on all together."""
        taken: Counter[str] = Counter()
        for beat in self._heartbeats:
            for model in beat.models:
                taken[model.name] += model.memory_bytes
        return taken

    @property
    def loading_model(self) -> str:
        """The name of a model that is being loaded by one of them, or nothing."""
        return next((beat.loading for beat in self._heartbeats if beat.loading), "")

    @property
    def resident_bytes(self) -> int:
        """The memory of all of them together."""
        return sum(beat.resident_bytes for beat in self._heartbeats)

    @property
    def _heartbeats(self) -> list[EngineStatus]:
        return [process.heartbeat for process in self._processes if process.heartbeat]


def _distinct(words: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(words)
