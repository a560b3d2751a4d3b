"""Figures as tables for people and as JSON for programs, with the machine described."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.accuracy import word_error_rate
from benchmarks.comparison import Comparison, Figures, Outcome
from benchmarks.measuring import Measurement

RESULTS = Path(__file__).resolve().parent / "results"

COLUMNS = ("system", "x real time", "least to most", "engine against it", "words wrong", "CPU s a minute", "peak MB")


def section(comparison: Comparison) -> str:
    """One case: a heading, its table, and the ratios that matter."""
    files = comparison.case.files
    rows = [_row(comparison, outcome) for outcome in comparison.outcomes]
    count = len(files.recordings)
    head = f"{count} file{'s' if count > 1 else ''}, {files.audio_s / 60:.1f} min"
    parts = [f"## {comparison.case.name}", head, table(COLUMNS, rows), "\n".join(_conclusions(comparison))]
    return "\n\n".join(parts).rstrip()


def file_errors(comparison: Comparison) -> str:
    """For each file how many words each system got wrong in the first round, and what it heard."""
    rows = []
    for number, recording in enumerate(comparison.case.files.recordings):
        for outcome in comparison.outcomes:
            if outcome.rounds:
                text = outcome.rounds[min(outcome.rounds)].texts[number]
                rate = f"{word_error_rate([recording.text], [text]):.1%}"
                rows.append((recording.path.name, outcome.system.title, rate, text.replace("|", "\\|")))
    return table(("file", "system", "words wrong", "heard"), rows)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose source can be read as well."""
    widths = [max(len(row[place]) for row in (columns, *rows)) for place in range(len(columns))]
    lines = [columns, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def description(title: str, about: Mapping[str, str]) -> str:
    """The head of a page of results: what was measured, with what, and on what."""
    return "\n".join([f"# {title}", "", *(f"- {word}: {text}" for word, text in about.items())])


def raw(comparison: Comparison) -> dict[str, Any]:
    """All figures of a case, for JSON; no texts, which belong to the recordings."""
    case = comparison.case
    return {
        "case": case.name,
        "set": case.files.name,
        "model": case.model.name,
        "beam": case.beam,
        "word_times": case.word_times,
        "audio_s": case.files.audio_s,
        "systems": {
            outcome.system.key: {
                "absence": outcome.absence,
                "error_rate": asdict(comparison.error_rate(outcome)) if outcome.rounds else None,
                "rounds": [{"round": number, **figures(done)} for number, done in outcome.rounds.items()],
            }
            for outcome in comparison.outcomes
        },
    }


def figures(measurement: Measurement) -> dict[str, Any]:
    """What was measured, without the texts."""
    named = asdict(measurement)
    del named["texts"]
    return named


def page_path(folder: Path, name: str) -> Path:
    """Where a page of today's results goes; the JSON and the plot lie beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{datetime.now(UTC):%Y-%m-%d}-{name}.md"


def write(page: Path, text: str, figures: Any) -> None:
    """Write a page of results and its raw figures."""
    page.write_text(text.rstrip() + "\n", encoding="utf-8")
    page.with_suffix(".json").write_text(json.dumps(figures, ensure_ascii=False) + "\n", encoding="utf-8")


def _row(comparison: Comparison, outcome: Outcome) -> tuple[str, ...]:
    versions = next((done.versions for done in outcome.rounds.values()), {})
    first = next(iter(versions.values()), "")
    title = f"{outcome.system.title} {first}".strip()
    if not outcome.rounds:
        return (title, "none", *[""] * (len(COLUMNS) - 2))
    speed = comparison.speed(outcome)
    errors = comparison.error_rate(outcome)
    engine = comparison.outcome("engine")
    ratio = comparison.ratio(engine, outcome) if engine and engine is not outcome else None
    cpu = Figures.of([done.cpu_s / comparison.case.files.audio_s * 60 for done in outcome.rounds.values()])
    moved = f" ({errors.least:.2%} to {errors.most:.2%})" if errors.most - errors.least > 5e-5 else ""
    return (
        title,
        f"{speed.median:.1f}",
        f"{speed.least:.1f} to {speed.most:.1f}",
        spread(ratio) if ratio else "",
        f"{errors.median:.2%}{moved}",
        f"{cpu.median:.2f}",
        f"{max(done.peak_bytes for done in outcome.rounds.values()) / 1e6:.0f}",
    )


def _conclusions(comparison: Comparison) -> list[str]:
    lines = [f"- {each.system.title}: {each.absence}" for each in comparison.outcomes if each.absence]
    engine = comparison.outcome("engine")
    if engine is None:
        return lines
    peers = [outcome for key in ("sequential", "batched") if (outcome := comparison.outcome(key))]
    if len(peers) > 1 and (ratio := comparison.ratio(engine, *peers)):
        lines.append(f"- The engine against faster-whisper's better mode: {spread(ratio)}")
    if (limit := comparison.outcome("limit")) and (ratio := comparison.ratio(engine, limit)):
        lines.append(f"- The engine's share of the limit: {spread(ratio)}")
    if (service := comparison.outcome("service")) and (ratio := comparison.ratio(service, engine)):
        lines.append(f"- The whole service against the engine called directly: {spread(ratio)}")
    return lines


def spread(ratio: Figures) -> str:
    """A ratio with its least and its most."""
    return f"{ratio.median:.2f} ({ratio.least:.2f} to {ratio.most:.2f})"
