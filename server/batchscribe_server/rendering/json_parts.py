"""What the JSON documents are made of: numbers as they write them, and lists of one item a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator


def as_json(value: object) -> str:
    """A value on one line, in its own script."""
    return json.dumps(value, ensure_ascii=False)


def seconds(time_ms: int) -> float:
    """Seconds with milliseconds."""
    return time_ms / 1000


def rounded(confidence: float) -> float:
    """A confidence with three decimals."""
    return round(confidence, 3)


def json_list(items: Iterable[object]) -> Iterator[str]:
    """A list within a document, an item a line, so that no more than one is held at a time."""
    begun = False
    for item in items:
        yield f"{',' if begun else '['}\n    {as_json(item)}"
        begun = True
    yield "\n  ]" if begun else "[]"
