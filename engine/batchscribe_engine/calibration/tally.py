"""Counts of words over many segments, recordings and variants, for one margin."""

from __future__ import annotations

import math
from collections.abc import Sequence

from batchscribe_engine.calibration.figures import WindowFigures
from batchscribe_engine.calibration.trial import Trial
from batchscribe_engine.calibration.word_errors import edits, words


class Tally:
    """What was counted of one margin so far; "full" windows are one too.

    A segment comes as its trials in all variants, beside the trials in full windows; a recording, once its segments
    came, as what is said in it.
    """

    def __init__(self, margin_s: float | str) -> None:
        self._margin_s = margin_s
        self._raw_errors = 0
        self._checked_errors = 0
        self._changed = 0
        self._squared_changes = 0
        self._trials = 0
        self._doubted = 0
        self._cost_s = 0.0
        self._unfinished: list[Sequence[Trial]] = []  # the segments of the recording that is being heard

    def add_segment(self, trials: Sequence[Trial], in_full_windows: Sequence[Trial]) -> None:
        """Count the trials of one segment, one for each variant."""
        changed = sum(
            edits(words(full.checked_text), words(trial.checked_text))
            for trial, full in zip(trials, in_full_windows, strict=True)
        )
        self._changed += changed
        self._squared_changes += changed**2
        self._trials += len(trials)
        self._doubted += sum(trial.doubted for trial in trials)
        self._cost_s += sum(trial.cost_s for trial in trials)
        self._unfinished.append(trials)

    def end_recording(self, said: Sequence[str]) -> None:
        """Count the errors in the segments since the last recording; `said` is the text for each variant."""
        for variant, text in enumerate(said):
            trials = [segment[variant] for segment in self._unfinished]
            self._raw_errors += edits(words(text), words(" ".join(trial.raw_text for trial in trials)))
            self._checked_errors += edits(words(text), words(" ".join(trial.checked_text for trial in trials)))
        self._unfinished = []

    def heard(self) -> list[str]:
        """The checked text of the recording that is being heard, for each variant."""
        return [" ".join(trial.checked_text for trial in trials) for trials in zip(*self._unfinished, strict=True)]

    def figures(self, total_words: int, total_s: float) -> WindowFigures:
        """The figures, given the words said and the seconds of speech in all variants; neither may be 0."""
        return WindowFigures(
            margin_s=self._margin_s,
            raw_error=round(self._raw_errors / total_words, 4),
            checked_error=round(self._checked_errors / total_words, 4),
            changed=round(self._changed / total_words, 4),
            spread=round(math.sqrt(self._squared_changes) / total_words, 4),
            doubted=round(self._doubted / self._trials, 4),
            cost=round(self._cost_s / total_s, 5),
        )
