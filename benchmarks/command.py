"""A comparison as a command: its options, its cases one after the other, and where their results go."""

from __future__ import annotations

import itertools
import signal
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.arguments import about, results_folder, speech
from benchmarks.comparison import Case, Comparison, compare
from benchmarks.model import resolve
from benchmarks.recordings import Recording
from benchmarks.sets import Sizes, build_set
from benchmarks.systems import System

QUICK = Sizes(short_files=4, long_files=1, long_minutes=0.5)


def add_comparison_options(parser: ArgumentParser) -> None:
    """The options of a comparison, beyond which sets and systems."""
    parser.add_argument("--model", nargs="+", default=["base"], help="names or folders; default base")
    parser.add_argument("--beam", type=int, nargs="+", default=[1], help="default 1")
    parser.add_argument("--word-times", choices=["off", "on", "both"], default="off")
    parser.add_argument("--files", action="store_true", help="print for each file what was heard, and its errors")
    parser.add_argument("--quick", action="store_true", help="a few files, once")


def print_comparisons(
    module: str, options: Namespace, sets: Sequence[str], sizes: Sizes, systems: Sequence[System]
) -> None:
    """Compare the systems on each set, model and beam, with or without word times; `module` is what was called.

    Results are printed and kept case by case, so that an interrupted run leaves those that were done.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no system's processes are left
    spoken = speech(options)
    name = options.save or module.rpartition(".")[2]
    parts = [report.description(name, about(module, spoken))]
    print(parts[0], flush=True)
    page = report.page_path(results_folder(options), name)
    done: list[Comparison] = []
    with tempfile.TemporaryDirectory() as folder:
        for case in _cases(options, sets, spoken.recordings, QUICK if options.quick else sizes, Path(folder)):
            done.append(compare(case, systems, 1 if options.quick else options.rounds, _tell))
            parts.append(report.section(done[-1]))
            print(f"\n{parts[-1]}", flush=True)
            if options.files:
                print(f"\n{report.file_errors(done[-1])}", flush=True)
            report.write(page, "\n\n".join(parts), [report.raw(each) for each in done])
    _plot(done, page.with_suffix(".png"))
    print(f"\nkept as {page}")


def _cases(
    options: Namespace, sets: Sequence[str], recordings: Sequence[Recording], sizes: Sizes, folder: Path
) -> Iterator[Case]:
    word_times = {"off": [False], "on": [True], "both": [False, True]}[options.word_times]
    models = [resolve(name) for name in options.model]
    for name in sets:
        files = build_set(name, recordings, sizes, folder / name)
        for model, beam, times in itertools.product(models, options.beam, word_times):
            yield Case(files, model, beam, times, machine.usable_cores())


def _plot(comparisons: Sequence[Comparison], path: Path) -> None:
    try:
        from benchmarks.plot import plot_speeds
    except ImportError:
        print("\nno plot: matplotlib is not installed (pip install 'batchscribe[bench]')")
        return
    plot_speeds(comparisons, path)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
