"""This engine beside its peers: the same files, model, compute type (int8) and beam, in turn and repeated.

    python -m benchmarks [--speech FOLDER] [--sets short long] [--model base tiny.en] [--beam 1 5] [--word-times both]

Speed is seconds of audio in a second, without loading the model, and each system has transcribed one file before. The
ratios are taken within each round, then their median. Memory is the most that all processes of a system had together,
loading left out. `--quick` runs a few files once, to see that all works.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.arguments import parser_for
from benchmarks.command import add_comparison_options, print_comparisons
from benchmarks.sets import SETS, Sizes
from benchmarks.systems import SYSTEMS, WHISPER_S2T_PYTHON, chosen


def main() -> None:
    """Run the comparison and print its tables."""
    parser = parser_for(__doc__, rounds=3)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=["short", "long", "mix"], metavar="SET")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS), metavar="SYSTEM")
    parser.add_argument("--short-files", type=int, default=60, help="default 60")
    parser.add_argument("--long-files", type=int, default=1, help="default 1")
    parser.add_argument("--long-minutes", type=float, default=10.0, help="the least length of each; default 10")
    parser.add_argument("--whisper-s2t-python", type=Path, default=WHISPER_S2T_PYTHON, metavar="PYTHON")
    add_comparison_options(parser)
    options = parser.parse_args()
    sizes = Sizes(options.short_files, options.long_files, options.long_minutes)
    systems = chosen(options.systems, options.whisper_s2t_python)
    print_comparisons("benchmarks", options, options.sets, sizes, systems)


if __name__ == "__main__":
    main()
