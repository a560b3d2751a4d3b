"""How cost grows: the engine on 10, 100 and 1,000 short files, and on files of 1, 10 and 60 minutes.

    python -m benchmarks.cost [--speech FOLDER] [--model base] [--counts 10 100 1000] [--minutes 1 10 60]

Cost is linear where a second of audio takes as long in a large run as in a small one. Of memory, the most in the first
quarter of the time is told beside the most in the last: they are alike where memory is held flat.
"""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks import machine, report
from benchmarks.accuracy import word_error_rate
from benchmarks.arguments import about, parser_for, results_folder, speech
from benchmarks.comparison import Case
from benchmarks.measuring import Measurement, measure
from benchmarks.model import resolve
from benchmarks.process_memory import MemorySample
from benchmarks.recordings import Recording
from benchmarks.sets import RecordingSet, Sizes, build_set
from benchmarks.systems import ENGINE

COLUMNS = (
    "size",
    "minutes of audio",
    "seconds taken",
    "s a minute",
    "against the smallest",
    "CPU s a minute",
    "words wrong",
    "peak MB",
    "first quarter's",
    "last quarter's",
)


@dataclass(slots=True)
class Size:
    """A run of one size; sizes of one `series` are compared with each other."""

    series: str
    label: str
    case: Case
    rounds: list[Measurement] = field(default_factory=list)

    @property
    def took_s(self) -> float:
        """The median over the rounds."""
        return statistics.median(done.took_s for done in self.rounds)

    @property
    def seconds_a_minute(self) -> float:
        """Seconds taken for a minute of audio."""
        return self.took_s / self.case.files.audio_s * 60


def main() -> None:
    """Run the benchmark, print its table and plot it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the engine's processes are not left
    parser = parser_for(__doc__, rounds=1)
    parser.add_argument("--model", default="base")
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--counts", type=int, nargs="*", default=[10, 100, 1000], help="default 10 100 1000")
    parser.add_argument("--minutes", type=float, nargs="*", default=[1.0, 10.0, 60.0], help="default 1 10 60")
    parser.add_argument("--max-open", type=int, default=40, help="files open at a time")
    options = parser.parse_args()
    if not (options.counts or options.minutes):
        parser.error("name counts or minutes")
    spoken = speech(options)
    name = options.save or "cost"
    head = report.description(f"{name}: {options.model}, beam {options.beam}", about("benchmarks.cost", spoken))
    print(head, flush=True)
    model = resolve(options.model)
    with tempfile.TemporaryDirectory() as folder:
        sizes = [
            Size(series, label, Case(files, model, options.beam, False, machine.usable_cores()))
            for series, label, files in _sets(spoken.recordings, options.counts, options.minutes, Path(folder))
        ]
        for number in range(1, options.rounds + 1):
            for size in sizes:
                task = replace(size.case.task(folder), max_open=options.max_open)
                size.rounds.append(measure(ENGINE, task))
                told = f"round {number} of {options.rounds}: {size.label}: {size.rounds[-1].took_s:.1f} s"
                print(told, file=sys.stderr, flush=True)
    table = report.table(COLUMNS, [_row(size, sizes) for size in sizes])
    print("\n" + table)
    page = report.page_path(results_folder(options), name)
    report.write(page, f"{head}\n\n{table}", [_raw(size) for size in sizes])
    _plot(sizes, page.with_suffix(".png"))
    print(f"\nkept as {page}")


def quarter_peaks(samples: Sequence[MemorySample]) -> tuple[int, int]:
    """The most memory in the first quarter of the time and in the last, in bytes."""
    end_s = samples[-1].after_s
    first = [sample.size_bytes for sample in samples if sample.after_s <= end_s / 4]
    last = [sample.size_bytes for sample in samples if sample.after_s >= end_s * 3 / 4]
    return max(first), max(last)


def _sets(
    recordings: Sequence[Recording], counts: Sequence[int], minutes: Sequence[float], folder: Path
) -> Iterator[tuple[str, str, RecordingSet]]:
    for count in counts:
        files = build_set("short", recordings, Sizes(short_files=count), folder / f"{count} files")
        yield "files", f"{count:,} files" if count > 1 else "1 file", files
    for length in minutes:
        files = build_set("long", recordings, Sizes(long_minutes=length), folder / f"{length:g} min")
        yield "minutes", f"1 file of {length:g} min", files


def _row(size: Size, sizes: Sequence[Size]) -> tuple[str, ...]:
    smallest = next(each for each in sizes if each.series == size.series)
    audio_s = size.case.files.audio_s
    said = [recording.text for recording in size.case.files.recordings]
    first, last = quarter_peaks(size.rounds[-1].memory)
    return (
        size.label,
        f"{audio_s / 60:.1f}",
        f"{size.took_s:.1f}",
        f"{size.seconds_a_minute:.2f}",
        f"{size.seconds_a_minute / smallest.seconds_a_minute:.2f}",
        f"{statistics.median(done.cpu_s for done in size.rounds) / audio_s * 60:.2f}",
        f"{word_error_rate(said, size.rounds[-1].texts):.2%}",
        f"{max(done.peak_bytes for done in size.rounds) / 1e6:.0f}",
        f"{first / 1e6:.0f}",
        f"{last / 1e6:.0f}",
    )


def _raw(size: Size) -> dict[str, object]:
    rounds = [report.figures(done) for done in size.rounds]
    return {"size": size.label, "audio_s": size.case.files.audio_s, "rounds": rounds}


def _plot(sizes: Sequence[Size], path: Path) -> None:
    try:
        from benchmarks.plot import plot_costs
    except ImportError:
        print("\nno plot: matplotlib is not installed (pip install 'batchscribe[bench]')")
        return
    labels = {"files": "many short files", "minutes": "one long file"}
    times = [
        (label, [(size.case.files.audio_s / 60, size.took_s) for size in sizes if size.series == series])
        for series, label in labels.items()
    ]
    largest = max(sizes, key=lambda size: len(size.case.files.recordings))
    plot_costs([line for line in times if line[1]], largest.rounds[-1].memory, f"Memory: {largest.label}", path)


if __name__ == "__main__":
    main()
