"""What is written to standard output and standard error: UTF-8, and nothing that a terminal would obey."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys

import typer

# Control characters, the surrogates that stand for bytes which are no UTF-8, and what reorders the text around it.
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029"
_IN_LINES = re.compile(f"[{_CONTROLS}]")
_IN_LINE = re.compile(f"[\\t\\n{_CONTROLS}]")


def visible(text: str) -> str:
    """A name or a message for one line of a terminal; what a terminal would obey or can't show is escaped."""
    return _IN_LINE.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """The same for text of several lines, whose tabs and line ends stay."""
    return _IN_LINES.sub(_escaped, text)


def json_visible(line: str) -> str:
    """The same for JSON, which means the same afterwards."""
    return _IN_LINES.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def note(text: str, *, end: str = "\n") -> None:
    """Something for people, on standard error; where nobody can read it, the command goes on."""
    with contextlib.suppress(OSError):
        typer.echo(visible_lines(text) + end, err=True, nl=False)


def result(text: str) -> None:
    """A command's result, on standard output as UTF-8 whatever the locale says. Raises OSError where it is lost."""
    stream = sys.stdout
    if stream is None:
        raise OSError(errno.EBADF, "is closed", "standard output")
    if stream.isatty():
        text = visible_lines(text)
    try:
        stream.flush()
        stream.buffer.write(text.encode("utf-8", "replace"))
        stream.buffer.flush()
    except OSError as error:
        _discard_rest()
        raise OSError(error.errno, error.strerror, "standard output") from error


def result_line(text: str) -> None:
    """A line of a result, or several."""
    result(text if text.endswith("\n") else f"{text}\n")


def _discard_rest() -> None:
    """Keep the interpreter from trying again, at its end, to write what could not be written."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
