"""Several systems on the same files, in turn and repeated, so that a machine whose speed drifts is unfair to none."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchscribe_server.domain.model import Model
from benchmarks.accuracy import word_error_rate
from benchmarks.measuring import Measurement, SystemFailedError, SystemMissingError, measure
from benchmarks.sets import RecordingSet
from benchmarks.systems import System
from benchmarks.task import Task


@dataclass(frozen=True, slots=True)
class Case:
    """What is compared: which files, which model, how it decodes, on how many cores."""

    files: RecordingSet
    model: Model
    beam: int
    word_times: bool
    cores: int

    @property
    def name(self) -> str:
        """The case in a few words."""
        times = ", with word times" if self.word_times else ""
        return f"{self.files.name}, {self.model.name}, beam {self.beam}{times}"

    def task(self, shared_folder: str) -> Task:
        """The case as a system gets it."""
        return Task(
            model_folder=self.model.path,
            beam=self.beam,
            word_times=self.word_times,
            cores=self.cores,
            warm_up=str(self.files.warm_up),
            paths=tuple(str(recording.path) for recording in self.files.recordings),
            shared_folder=shared_folder,
        )


@dataclass(frozen=True, slots=True)
class Figures:
    """A median, and the least and the most of what it is taken from."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figures:
        """The figures of one value or more."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(slots=True)
class Outcome:
    """What a system did in each round. `absence` says why it didn't, or no longer, take part."""

    system: System
    rounds: dict[int, Measurement] = field(default_factory=dict)
    absence: str = ""


@dataclass(slots=True)
class Comparison:
    """The outcomes of one case."""

    case: Case
    outcomes: list[Outcome]

    def outcome(self, key: str) -> Outcome | None:
        """The outcome of a system, if it took part."""
        return next((outcome for outcome in self.outcomes if outcome.system.key == key and outcome.rounds), None)

    def speed(self, outcome: Outcome) -> Figures:
        """Seconds of audio in a second."""
        return Figures.of([self.case.files.audio_s / done.took_s for done in outcome.rounds.values()])

    def ratio(self, faster: Outcome, *slower: Outcome) -> Figures | None:
        """How many times as fast as the fastest of `slower` in the same round; None if no round has all of them."""
        rounds = set(faster.rounds).intersection(*(outcome.rounds for outcome in slower))
        if not rounds:
            return None
        return Figures.of(
            [
                min(outcome.rounds[number].took_s for outcome in slower) / faster.rounds[number].took_s
                for number in rounds
            ]
        )

    def error_rate(self, outcome: Outcome) -> Figures:
        """Words wrong over words said; it moves from round to round where a system samples."""
        said = [recording.text for recording in self.case.files.recordings]
        return Figures.of([word_error_rate(said, done.texts) for done in outcome.rounds.values()])


def compare(case: Case, systems: Sequence[System], rounds: int, tell: Callable[[str], None]) -> Comparison:
    """Run each system once in each round. One that is missing or fails takes no part in what follows."""
    outcomes = [Outcome(system) for system in systems]
    with tempfile.TemporaryDirectory() as shared_folder:
        task = case.task(shared_folder)
        for number in range(1, rounds + 1):
            for outcome in outcomes:
                if outcome.absence:
                    continue
                try:
                    done = measure(outcome.system, task)
                except SystemMissingError as error:
                    outcome.absence = f"{error} is not installed"
                except SystemFailedError as error:
                    outcome.absence = f"failed: {error}"
                else:
                    outcome.rounds[number] = done
                    speed = case.files.audio_s / done.took_s
                    tell(f"{case.name}: round {number} of {rounds}: {outcome.system.title}: {speed:.1f} x real time")
                if outcome.absence:
                    tell(f"{case.name}: {outcome.system.title}: {outcome.absence}")
    return Comparison(case, outcomes)
