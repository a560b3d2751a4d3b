"""Figures as pictures (matplotlib, of the extra `bench`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib

from benchmarks.comparison import Comparison
from benchmarks.process_memory import MemorySample

matplotlib.use("Agg")  # draws to files, needs no screen

from matplotlib import pyplot
from matplotlib.ticker import NullFormatter, ScalarFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, OTHERS, LIMIT = "#1f6f8b", "#a9b4bc", "#e0c38c"
DPI = 120


def plot_speeds(comparisons: Sequence[Comparison], path: Path) -> None:
    """A bar for each system's speed in each case, with a line from the slowest round to the fastest."""
    figure, axes = pyplot.subplots(
        len(comparisons), 1, figsize=(9, 0.9 + 2.6 * len(comparisons)), squeeze=False, layout="constrained"
    )
    for comparison, (axis,) in zip(comparisons, axes, strict=True):
        _bars(axis, comparison)
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)


def plot_costs(
    times: Sequence[tuple[str, Sequence[tuple[float, float]]]], memory: Sequence[MemorySample], title: str, path: Path
) -> None:
    """Seconds taken over minutes of audio, a line for each series (label, points), and memory over one long run."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for label, points in times:
        minutes, took_s = zip(*points, strict=True)
        left.plot(minutes, took_s, marker="o", label=label)
    left.set(xscale="log", yscale="log", xlabel="minutes of audio", ylabel="seconds taken", title="Cost")
    for scale in (left.xaxis, left.yaxis):
        scale.set_major_formatter(ScalarFormatter())
        scale.set_minor_formatter(NullFormatter())
    left.grid(visible=True, which="both", alpha=0.3)
    left.legend()
    right.plot([each.after_s for each in memory], [each.size_bytes / 1e6 for each in memory], color=OURS)
    right.set(xlabel="seconds", ylabel="MB, all processes", title=title, ylim=(0, None))
    right.grid(visible=True, alpha=0.3)
    figure.savefig(path, dpi=DPI)
    pyplot.close(figure)


def _bars(axis: Axes, comparison: Comparison) -> None:
    outcomes = [outcome for outcome in reversed(comparison.outcomes) if outcome.rounds]
    speeds = [comparison.speed(outcome) for outcome in outcomes]
    colours = {"engine": OURS, "service": OURS, "limit": LIMIT}
    bars: Any = axis.barh(
        [outcome.system.title for outcome in outcomes],
        [speed.median for speed in speeds],
        xerr=[
            [speed.median - speed.least for speed in speeds],
            [speed.most - speed.median for speed in speeds],
        ],
        color=[colours.get(outcome.system.key, OTHERS) for outcome in outcomes],
        ecolor="#444444",
        capsize=3,
    )
    labels = [
        f"{speed.median:.1f} x, {comparison.error_rate(outcome).median:.1%} wrong"
        for outcome, speed in zip(outcomes, speeds, strict=True)
    ]
    axis.bar_label(bars, labels, padding=6, fontsize=8)
    axis.margins(x=0.28)
    axis.set_title(comparison.case.name, fontsize=10)
    axis.set_xlabel("seconds of audio in a second")
    axis.spines[["top", "right"]].set_visible(False)
