"""How figures are drawn together: ratios within rounds, words wrong, memory over time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchscribe_server.domain.model import Model, ModelSource
from benchmarks import report
from benchmarks.comparison import Case, Comparison, Figures, Outcome
from benchmarks.cost import quarter_peaks
from benchmarks.measuring import Measurement
from benchmarks.process_memory import MemorySample
from benchmarks.recordings import Recording
from benchmarks.sets import RecordingSet
from benchmarks.systems import BATCHED, ENGINE, LIMIT, SEQUENTIAL, SERVICE, WHISPER_S2T, System

SAID = ("it was the longest journey", "of her life")


def took(seconds: float, texts: tuple[str, ...] = SAID, peak_bytes: int = 300_000_000) -> Measurement:
    memory = (MemorySample(0.0, 1_000_000), MemorySample(seconds, peak_bytes))
    return Measurement(seconds, texts, {"package": "1.2.3"}, memory, cpu_s=2 * seconds)


def comparison(outcomes: dict[System, list[Measurement]], *, absence: str = "") -> Comparison:
    files = tuple(Recording(Path(f"{number}.wav"), text, 30.0) for number, text in enumerate(SAID))
    model = Model("base", ModelSource.PATH, "/models/base", 1, ("en",))
    case = Case(RecordingSet("short", files, Path("warm.wav")), model, beam=5, word_times=True, cores=2)
    return Comparison(
        case,
        [
            Outcome(system, dict(enumerate(rounds, 1)), absence="" if rounds else absence)
            for system, rounds in outcomes.items()
        ],
    )


def cells(section: str, title: str) -> list[str]:
    (row,) = [line for line in section.splitlines() if line.startswith(f"| {title}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_ratio_is_taken_within_each_round_before_the_median() -> None:
    # The machine slows down fourfold: the ratio of the medians would be 3.
    done = comparison({ENGINE: [took(1), took(2), took(4)], SEQUENTIAL: [took(5), took(6), took(20)]})

    ratio = done.ratio(done.outcomes[0], done.outcomes[1])

    assert ratio == Figures(5.0, 3.0, 5.0)


def test_only_rounds_that_both_ran_are_compared() -> None:
    done = comparison({ENGINE: [took(1), took(2)], SEQUENTIAL: [took(4)]})

    assert done.ratio(done.outcomes[0], done.outcomes[1]) == Figures(4.0, 4.0, 4.0)


def test_the_better_mode_is_chosen_within_each_round() -> None:
    done = comparison({ENGINE: [took(1), took(1)], SEQUENTIAL: [took(4), took(8)], BATCHED: [took(6), took(6)]})

    assert "faster-whisper's better mode: 5.00 (4.00 to 6.00)" in report.section(done)


def test_a_section_has_a_row_for_each_system_with_its_figures() -> None:
    wrong = ("it was the shortest journey", "of her life")
    section = report.section(
        comparison(
            {
                ENGINE: [took(2), took(4)],
                SERVICE: [took(4), took(5)],
                BATCHED: [took(12, wrong), took(12, SAID)],
                LIMIT: [took(1), took(2)],
            }
        )
    )

    assert "## short, base, beam 5, with word times" in section
    assert cells(section, ENGINE.title) == [
        f"{ENGINE.title} 1.2.3",
        "22.5",
        "15.0 to 30.0",
        "",
        "0.00%",
        "6.00",
        "300",
    ]
    assert cells(section, BATCHED.title)[3:5] == ["4.50 (3.00 to 6.00)", "6.25% (0.00% to 12.50%)"]
    assert "share of the limit: 0.50 (0.50 to 0.50)" in section
    assert "service against the engine called directly: 0.65 (0.50 to 0.80)" in section


def test_a_system_that_took_no_part_is_told_of() -> None:
    section = report.section(comparison({ENGINE: [took(1)], WHISPER_S2T: []}, absence="it is not installed"))

    assert cells(section, WHISPER_S2T.title)[1] == "none"
    assert "- WhisperS2T-reborn: it is not installed" in section


def test_results_are_kept_as_a_page_and_as_figures_without_texts(tmp_path: Path) -> None:
    done = comparison({ENGINE: [took(2), took(4)]})
    page = report.page_path(tmp_path / "results", "name")

    report.write(page, report.section(done), [report.raw(done)])

    (kept,) = json.loads(page.with_suffix(".json").read_text())
    assert page.name.endswith("-name.md")
    assert page.read_text().startswith("## short, base")
    assert kept["audio_s"] == 60.0
    assert [each["took_s"] for each in kept["systems"]["engine"]["rounds"]] == [2, 4]
    assert "journey" not in page.with_suffix(".json").read_text()


def test_what_was_heard_in_each_file_is_told_with_its_errors() -> None:
    told = report.file_errors(comparison({ENGINE: [took(1, ("it was | the longest journey", "of his life"))]}))

    assert "| 0.wav | batchscribe's engine | 0.0%" in told
    assert "it was \\| the longest journey" in told
    assert "| 1.wav | batchscribe's engine | 33.3%" in told


def test_memory_is_told_at_the_beginning_and_at_the_end() -> None:
    samples = [MemorySample(after_s, size) for after_s, size in ((0, 5), (2, 9), (5, 90), (8, 7), (10, 6))]

    assert quarter_peaks(samples) == (9, 7)


def test_figures_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="median"):
        Figures.of([])
