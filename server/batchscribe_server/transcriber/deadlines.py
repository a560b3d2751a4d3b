"""When a batch has taken too long: a pure watchdog over what was started, fed with the passing of time."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

MEMORY = 0.9
"""What remains of what was learned of a model with each further batch."""


@dataclass(frozen=True, slots=True)
class WatchdogLimits:
    """A batch may take `factor` times what it is expected to take, and `floor_s` at least.

    `first_guess` is the expected seconds for each second of padded audio while nothing was measured for its model.
    `heartbeat_s` is how long the engine may be silent, `start_s` how long it may load one model, and have batches
    without starting one, `tick_s` how often this is looked at.
    """

    factor: float = 20.0
    floor_s: float = 60.0
    first_guess: float = 1.0
    heartbeat_s: float = 30.0
    start_s: float = 600.0
    tick_s: float = 0.5


@dataclass(slots=True)
class _Pace:
    """Seconds taken and seconds of padded audio, both fading: short batches, mostly overhead, weigh little."""

    elapsed_s: float = 0.0
    padded_s: float = 0.0


@dataclass(slots=True)
class _Running:
    allowed_s: float
    elapsed_s: float = 0.0


class Watchdog:
    """What one engine has been given, and for how long. Speeds learned outlive the engine.

    Time is what `passed` is told, tick by tick: a server that was itself stopped for a while blames nobody.
    """

    def __init__(self, limits: WatchdogLimits) -> None:
        self.limits = limits
        self._paces: dict[Hashable, _Pace] = {}
        self._running: dict[int, _Running] = {}
        self._silent_s = 0.0
        self._unstarted_s = 0.0
        self._loading = ""
        self._loading_s = 0.0

    def reset(self) -> None:
        """A new engine, which has nothing yet."""
        self._running.clear()
        self._silent_s = 0.0
        self._unstarted_s = 0.0
        self.loading("")

    def alive(self) -> None:
        """The engine said something."""
        self._silent_s = 0.0

    def loading(self, model: str) -> None:
        """The engine loads the model of that name, or none."""
        if model != self._loading:
            self._loading = model
            self._loading_s = 0.0

    def started(self, batch_id: int, model: Hashable, padded_s: float) -> None:
        """A batch of so much padded audio runs from now on."""
        pace = self._paces.get(model)
        seconds_each = pace.elapsed_s / pace.padded_s if pace else self.limits.first_guess
        self._running[batch_id] = _Running(max(self.limits.floor_s, self.limits.factor * seconds_each * padded_s))
        self._unstarted_s = 0.0

    def done(self, batch_id: int) -> None:
        """The batch was answered, or given up."""
        self._running.pop(batch_id, None)
        self._unstarted_s = 0.0

    def learn(self, model: Hashable, padded_s: float, elapsed_s: float) -> None:
        """A batch of so much padded audio took so long."""
        pace = self._paces.setdefault(model, _Pace())
        pace.elapsed_s = MEMORY * pace.elapsed_s + elapsed_s
        pace.padded_s = MEMORY * pace.padded_s + max(padded_s, 0.1)

    def passed(self, seconds: float, *, waiting: bool) -> None:
        """Time went by; `waiting` says whether the engine has batches that it didn't start."""
        self._silent_s += seconds
        self._loading_s += seconds
        for running in self._running.values():
            running.elapsed_s += seconds
        if waiting and not self._running:
            self._unstarted_s += seconds
        else:
            self._unstarted_s = 0.0

    def overdue(self) -> tuple[int, ...]:
        """The batches that have taken too long."""
        return tuple(i for i, running in self._running.items() if running.elapsed_s > running.allowed_s)

    @property
    def silent(self) -> bool:
        """True when the engine's heartbeat is lost."""
        return self._silent_s > self.limits.heartbeat_s

    @property
    def stuck(self) -> bool:
        """True when the engine has had work for too long without starting any of it."""
        return self._unstarted_s > self.limits.start_s

    @property
    def hung_load(self) -> str:
        """The name of a model that is being loaded for too long, whatever else the engine does; else nothing."""
        return self._loading if self._loading_s > self.limits.start_s else ""
