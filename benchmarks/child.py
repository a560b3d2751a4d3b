"""One system's process: `python -m benchmarks.child MODULE PACKAGE …`, with a task on standard input.

It answers in lines of JSON: {"missing": PACKAGE} where a package isn't installed; else {"started": true} once the model
is loaded and warm, {"stopped": true} when all is transcribed, and {"took_s", "texts", "versions"} at the end. What the
system prints goes to standard error. Apart from the system's own module it needs the standard library only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
from typing import TextIO

from benchmarks.stopwatch import Stopwatch
from benchmarks.task import Task


def main() -> int:
    """Do the task on standard input with the system named on the command line."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    module, *packages = sys.argv[1:]
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            _answer(answers, missing=package)
            return 0
    task = Task.from_json(sys.stdin.read())
    system = importlib.import_module(f"benchmarks.systems.{module}")
    stopwatch = Stopwatch(lambda: _answer(answers, started=True), lambda: _answer(answers, stopped=True))
    texts = system.run(task, stopwatch)
    _answer(answers, took_s=stopwatch.took_s, texts=list(texts), versions=versions)
    return 0


def _answer(answers: TextIO, **fields: object) -> None:
    print(json.dumps(fields), file=answers, flush=True)


if __name__ == "__main__":
    sys.exit(main())
