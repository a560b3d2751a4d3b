"""The whole service, submitted to over gRPC and with its outputs on disk, against the engine called directly.

    python -m benchmarks.service [--speech FOLDER] [--count 300] [--model base tiny.en]

Both get the same short files with the same model, in turn and repeated. The ratio is taken within each round.
"""

from __future__ import annotations

from benchmarks.arguments import parser_for
from benchmarks.command import add_comparison_options, print_comparisons
from benchmarks.sets import Sizes
from benchmarks.systems import ENGINE, SERVICE


def main() -> None:
    """Run the benchmark and print its table."""
    parser = parser_for(__doc__, rounds=3)
    parser.add_argument("--count", type=int, default=300, help="how many short files; default 300")
    add_comparison_options(parser)
    options = parser.parse_args()
    print_comparisons("benchmarks.service", options, ["short"], Sizes(short_files=options.count), [ENGINE, SERVICE])


if __name__ == "__main__":
    main()
