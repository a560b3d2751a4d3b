"""The models in memory: loaded on demand within a budget, given back when idle."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from batchscribe_engine.inference.errors import ModelUnavailableError, OutOfMemoryError
from batchscribe_engine.messages import LoadedModel, ModelSpec

MEBIBYTE = 1024 * 1024
UNLIMITED_BYTES = 0


class Closable(Protocol):
    """A model that can give its memory back."""

    def close(self) -> None:
        """Give it back; nobody uses the model any more."""


Model = TypeVar("Model", bound=Closable)


@dataclass(slots=True)
class _Entry(Generic[Model]):
    spec: ModelSpec
    model: Model
    memory_bytes: int
    users: int
    used_at_s: float


class LoadedModels(Generic[Model]):
    """Loads models and lends them out; safe for any number of threads.

    The estimates of the models in memory together never exceed `memory_budget_bytes` (0: no limit). Room is made by
    closing the models that were not used for longest, never one that is lent; one model is loaded at a time.
    """

    def __init__(
        self,
        load: Callable[[ModelSpec], Model],
        *,
        memory_budget_bytes: int = UNLIMITED_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._memory_budget_bytes = memory_budget_bytes
        self._clock = clock
        self._entries: dict[str, _Entry[Model]] = {}  # by path
        self._changed = threading.Condition()
        self._loading = ""

    @property
    def loading(self) -> str:
        """The name of the model that is being loaded, or nothing."""
        return self._loading

    def loaded(self) -> tuple[LoadedModel, ...]:
        """The models in memory."""
        with self._changed:
            return tuple(
                LoadedModel(entry.spec.name, entry.spec.path, entry.memory_bytes) for entry in self._entries.values()
            )

    @contextlib.contextmanager
    def lent(self, spec: ModelSpec) -> Iterator[Model]:
        """The model of a spec, loaded if need be, which stays in memory until the block is left.

        Waits while models that others use leave no room. Raises ModelUnavailableError for a model that is larger than
        the budget or the memory that is free, and whatever else loading it raises.
        """
        entry = self._acquire(spec)
        try:
            yield entry.model
        finally:
            with self._changed:
                entry.users -= 1
                entry.used_at_s = self._clock()
                self._changed.notify_all()

    def close_idle(self, idle_s: float) -> None:
        """Close the models that nobody has used for `idle_s` seconds."""
        with self._changed:
            limit_s = self._clock() - idle_s
            for entry in [entry for entry in self._unused() if entry.used_at_s <= limit_s]:
                self._close(entry)

    def _acquire(self, spec: ModelSpec) -> _Entry[Model]:
        with self._changed:
            while True:
                if entry := self._entries.get(spec.path):
                    entry.users += 1
                    return entry
                memory_bytes = model_memory_bytes(spec)
                self._check_budget(spec, memory_bytes)
                if not self._loading and self._make_room(memory_bytes):
                    self._loading = spec.name
                    break
                self._changed.wait()
        # Loading takes seconds: the lock is free meanwhile, so that the heartbeat can tell what is going on.
        try:
            entry = _Entry(spec, self._load(spec), memory_bytes, users=1, used_at_s=self._clock())
            with self._changed:
                self._entries[spec.path] = entry
        except OutOfMemoryError as error:  # no fault of the batch, whose segments need not be tried one by one
            raise ModelUnavailableError(
                f"model {spec.name} cannot be loaded: it takes about {memory_bytes // MEBIBYTE} MiB of memory,"
                " and there is not enough"
            ) from error
        finally:
            with self._changed:
                self._loading = ""
                self._changed.notify_all()
        return entry

    def _check_budget(self, spec: ModelSpec, memory_bytes: int) -> None:
        if 0 < self._memory_budget_bytes < memory_bytes:
            raise ModelUnavailableError(
                f"model {spec.name} takes about {memory_bytes // MEBIBYTE} MiB of memory,"
                f" and {self._memory_budget_bytes // MEBIBYTE} MiB are allowed for models"
            )

    def _make_room(self, memory_bytes: int) -> bool:
        if not self._memory_budget_bytes:
            return True
        allowed_bytes = self._memory_budget_bytes - memory_bytes
        used_bytes = sum(entry.memory_bytes for entry in self._entries.values())
        unused = sorted(self._unused(), key=lambda entry: entry.used_at_s)
        if used_bytes - sum(entry.memory_bytes for entry in unused) > allowed_bytes:
            return False
        for entry in unused:
            if used_bytes <= allowed_bytes:
                break
            used_bytes -= entry.memory_bytes
            self._close(entry)
        return True

    def _unused(self) -> list[_Entry[Model]]:
        return [entry for entry in self._entries.values() if not entry.users]

    def _close(self, entry: _Entry[Model]) -> None:
        del self._entries[entry.spec.path]
        entry.model.close()


def model_memory_bytes(spec: ModelSpec) -> int:
    """What a model will take in memory, estimated from its weights on disk. Raises ModelUnavailableError.

    A model that is quantised while it is loaded takes less in the end, and about its size on disk meanwhile.
    """
    try:
        return (Path(spec.path) / "model.bin").stat().st_size
    except OSError as error:
        raise ModelUnavailableError(f"model {spec.name} has no model.bin in {spec.path}") from error
