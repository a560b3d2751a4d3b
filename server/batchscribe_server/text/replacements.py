"""Writes what the client wants for words and expressions of its choice.

Expressions are those of RE2, whose matching takes time in proportion to the text whatever the expression: one that
would hang a backtracking engine costs nobody anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import re2

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.recognition import Replacement
from batchscribe_server.domain.script import GOES_ON, needs_space_between
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.passage import Edit, edited
from batchscribe_server.text.removal import without

MAX_SEGMENT_CHARS = 5_000
"""What replacements may make of a segment, which seldom has more than a few hundred characters."""

MAX_PROGRAM_SIZE = 10_000
"""How complex all expressions of a config may be together, in RE2's instructions: `\\d+` takes 6, `\\pL+` 1,200."""

_MAX_MEMORY_BYTES = 1 << 20
_REFERENCE = re.compile(r"\\(.?)", re.DOTALL)


class _Found(Protocol):
    def span(self) -> tuple[int, int]: ...

    def group(self, number: int, /) -> str | None: ...


class _Pattern(Protocol):
    def finditer(self, text: str, /) -> Iterator[_Found]: ...


@dataclass(frozen=True, slots=True)
class CompiledReplacement:
    """A replacement that is ready to be applied."""

    pattern: _Pattern
    to: str
    regex: bool
    program_size: int = 0


def compiled(replacement: Replacement) -> CompiledReplacement:
    """Raises ValueError, in words for the client, for an expression or a reference to a group that can't be used."""
    if not replacement.regex:
        return CompiledReplacement(_whole_words(replacement.pattern), replacement.to, regex=False)
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        pattern = re2.compile(replacement.pattern, options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"is no expression of RE2: {reason}") from error
    if pattern.fullmatch("") is not None:
        raise ValueError("matches where there is nothing to replace")
    for reference in _REFERENCE.finditer(replacement.to):
        if reference[1] != "\\" and not ("0" <= reference[1] <= "9" and int(reference[1]) <= pattern.groups):
            raise ValueError(f"{reference[0]!r} in what replaces it is no group of the expression")
    return CompiledReplacement(pattern, replacement.to, regex=True, program_size=pattern.programsize)


def with_replacements(segment: Segment, replacements: Sequence[CompiledReplacement]) -> Segment:
    """The segment after each replacement in turn. Raises JobFailure for one that becomes too long."""
    for replacement in replacements:
        found = [match for match in replacement.pattern.finditer(segment.text) if match.span()[0] < match.span()[1]]
        if not found:
            continue
        if replacement.to or replacement.regex:
            segment = edited(segment, [Edit(*match.span(), _written(replacement, match)) for match in found])
        else:
            segment = without(segment, [match.span() for match in found])
        if len(segment.text) > MAX_SEGMENT_CHARS:
            raise JobFailure(
                Reason.TEXT_TOO_LONG,
                f"The replacements make a segment longer than {MAX_SEGMENT_CHARS} characters. Replace less by more.",
            )
    return segment


def _whole_words(words: str) -> re.Pattern[str]:
    """Words that may have other spaces between them, not as a part of other words where those are told by spaces.

    Nowhere are letters taken from the marks that stand on them.
    """
    parts = words.split()
    expression = r"\s+".join(re.escape(part) for part in parts)
    first, last = parts[0][0], parts[-1][-1]
    if (first.isalnum() or first == "_") and needs_space_between(first, first):
        expression = rf"(?<![\w{GOES_ON}])" + expression
    if (last.isalnum() or last == "_") and needs_space_between(last, last):
        expression += r"(?!\w)"
    expression += f"(?![{GOES_ON}])"
    return re.compile(expression, re.IGNORECASE)


def _written(replacement: CompiledReplacement, match: _Found) -> str:
    if not replacement.regex:
        return replacement.to
    return _REFERENCE.sub(
        lambda reference: "\\" if reference[1] == "\\" else match.group(int(reference[1])) or "", replacement.to
    )
