"""Files that are open for as long as the tests run, as what works by a descriptor wants them."""

from __future__ import annotations

import os
from pathlib import Path


def opened(path: Path) -> int:
    """A descriptor of a file, for reading. It is never closed: a test has few of them."""
    return os.open(path, os.O_RDONLY)
