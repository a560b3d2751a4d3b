"""Lines of text in chunks that fit a language model's window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from batchscribe_server.analysis.sentences import Turn


def spoken_lines(turns: Iterable[Turn]) -> Iterator[str]:
    """What was said as a script: a line for the turns of one party in a row, with its name where there is one."""
    for party, in_a_row in groupby(turns, key=lambda turn: turn.party):
        line = " ".join(text for turn in in_a_row for text in turn.texts)
        yield f"{party}: {line}" if party else line


def chunks_of(lines: Iterable[str], max_chars: int) -> list[str]:
    """The lines in chunks of at most so many characters; a longer line is cut, at a space where it has one."""
    chunks: list[str] = []
    chunk = ""
    for line in lines:
        for part in _parts(line, max_chars):
            if chunk and len(chunk) + 1 + len(part) > max_chars:
                chunks.append(chunk)
                chunk = part
            else:
                chunk = f"{chunk}\n{part}" if chunk else part
    return [*chunks, chunk] if chunk else chunks


def _parts(line: str, max_chars: int) -> Iterator[str]:
    while len(line) > max_chars:
        cut = line.rfind(" ", 1, max_chars + 1)
        cut = cut if cut > 0 else max_chars
        yield line[:cut]
        line = line[cut:].lstrip()
    if line:
        yield line
