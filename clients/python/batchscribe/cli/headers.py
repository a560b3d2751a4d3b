"""Request headers for URLs: on the command line, or in files, where no list of processes shows them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

_FILE = "@"


@dataclass(frozen=True, slots=True)
class HeaderArguments:
    """What the server sends along when it fetches an `https://` URL."""

    header: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:VALUE|@FILE",
            help="A request header for a URL, or a file with one a line. Repeatable.",
            rich_help_panel="URLs",
        ),
    ] = None

    def headers(self) -> dict[str, str]:
        """The values by name. Raises OSError, and ValueError for what is no header, or named twice."""
        values: dict[str, str] = {}
        for name, value in map(_name_and_value, self._lines()):
            if name.lower() in map(str.lower, values):
                raise ValueError(f"--header: {name} is given twice")
            values[name] = value
        return values

    def _lines(self) -> Iterator[str]:
        for given in self.header or ():
            if given.startswith(_FILE):
                yield from _lines_of(Path(given.removeprefix(_FILE)))
            else:
                yield given


def _lines_of(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file}: is not text") from None
    return [line for line in lines if line.strip()]


def _name_and_value(line: str) -> tuple[str, str]:
    # What is malformed may be a secret all the same, so it is not repeated.
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise ValueError("--header: a header is NAME:VALUE, such as 'Authorization: Bearer …'")
    return name, value.strip()
