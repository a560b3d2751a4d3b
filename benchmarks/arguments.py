"""What the commands have in common: where the speech comes from, which model, and where results go."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine
from benchmarks.recordings import Recording, read_references
from benchmarks.report import RESULTS
from benchmarks.synthesised import SENTENCES, synthesised

SCRATCH = Path(".build/bench")


@dataclass(frozen=True, slots=True)
class Speech:
    """The recordings that files are made of, and where they came from in words."""

    recordings: tuple[Recording, ...]
    origin: str


def parser_for(description: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with the common options; `rounds` is the default number of rounds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", type=Path, help="a folder with references.tsv; default: synthesised sentences")
    parser.add_argument("--rounds", type=_positive, default=rounds, help=f"default {rounds}")
    parser.add_argument(
        "--save", metavar="NAME", help="keep the results in benchmarks/results, under the date and NAME"
    )
    parser.add_argument("--results", type=Path, help="another folder for them; default without --save: .build/bench")
    return parser


def speech(options: argparse.Namespace) -> Speech:
    """The speech that the options name, or that is synthesised."""
    if options.speech is None:
        return Speech(tuple(synthesised()), f"{len(SENTENCES)} sentences said by a synthesiser, not by people")
    recordings = tuple(read_references(options.speech))
    return Speech(recordings, f"{len(recordings)} recordings of people")


def about(module: str, spoken: Speech) -> dict[str, str]:
    """What was run, on which speech and on which machine, in words. Of paths only the last part is told."""
    words = ["python", "-m", module]
    for argument in sys.argv[1:]:
        option, equals, value = argument.rpartition("=")
        words.append(option + equals + (Path(value).name if Path(value).is_absolute() else value))
    return {"command": f"`{shlex.join(words)}`", "speech": spoken.origin, **machine.described()}


def results_folder(options: argparse.Namespace) -> Path:
    """Where results go."""
    folder: Path = options.results or (RESULTS if options.save else SCRATCH)
    return folder


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number
