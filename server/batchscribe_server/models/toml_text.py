"""Plain values as TOML 1.0, which the standard library reads and does not write."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence

Value = str | bool | int | float | datetime.date | Mapping[str, "Value"] | Sequence["Value"]


def toml_text(table: Mapping[str, Value]) -> str:
    """A document: a mapping becomes a table, one within a sequence an inline table. Names are bare keys."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Mapping[str, Value], path: tuple[str, ...]) -> list[str]:
    lines = [f"[{'.'.join(path)}]"] if path else []
    # All that follows a table's heading belongs to it, so the tables within come last.
    lines += [f"{name} = {_inline(value)}" for name, value in table.items() if not isinstance(value, Mapping)]
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", *_lines(value, (*path, name))]
    return lines


def _inline(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            # TOML's escapes are JSON's, but for surrogates, and for DEL, which must be escaped.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case int() | float():
            return repr(value)
        case datetime.date():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(f"{name} = {_inline(each)}" for name, each in value.items()) + " }"
        case _ if any(isinstance(each, Mapping) for each in value):
            return "[\n" + "".join(f"  {_inline(each)},\n" for each in value) + "]"
        case _:
            return "[" + ", ".join(map(_inline, value)) + "]"
