"""Globs on relative paths, matched in time that is linear in the path, whatever the glob.

`*` and `?` stay within one folder, `**` crosses them, `[a-z]` and `[!a-z]` are one character, `{wav,mp3}` means either,
and a backslash takes the next character as it is. A glob matches the whole path. All globs of a list become one
expression of RE2, an automaton that never goes back: only its size needs a bound.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import bracex
import re2

MAX_PATTERNS = 1_000
"""How many patterns the braces of all globs of a list may stand for."""

MAX_PATTERN_CHARS = 20_000
"""How long those may be together."""

MAX_PROGRAM_SIZE = 50_000
"""How large their automaton may be, in RE2's instructions: `**/*.wav` takes 49."""

_MAX_MEMORY_BYTES = 8 << 20

_Chars = tuple[tuple[int, int], ...]
"""A set of characters: ranges of code points, in order and apart."""

_EVERY: _Chars = ((0, sys.maxunicode),)
_STAR, _SLASH, _GLOBSTAR = "*", "/", "**"
_Token = _Chars | str
"""A set of characters, one of the signs above, or a backslash and the character that is meant."""

_ESCAPED = re.compile(r"\\(/|$|.)", re.DOTALL)

_CLASSES = {
    "alnum": "09AZaz",
    "alpha": "AZaz",
    "ascii": "\0\x7f",
    "blank": "  \t\t",
    "cntrl": "\0\x1f\x7f\x7f",
    "digit": "09",
    "graph": "!~",
    "lower": "az",
    "print": " ~",
    "punct": "!/:@[`{~",
    "space": "  \t\r",
    "upper": "AZ",
    "word": "09AZaz__",
    "xdigit": "09AFaf",
}
"""The classes of POSIX, as the ends of their ranges."""


class GlobError(ValueError):
    """What is wrong with globs, in words for the client."""


class Pattern(Protocol):
    """All globs of a list."""

    def fullmatch(self, path: str, /) -> object | None:
        """A match if any of the globs means the path."""
        ...


def compiled(globs: Sequence[str], *, hidden: bool) -> Pattern:
    """One pattern for all globs. With `hidden`, wildcards match names that begin with a dot as well.

    Raises GlobError for globs that stand for too much. It may take some 50 ms.
    """
    patterns = list(_expanded(globs))
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        pattern = re2.compile("|".join(_expression(pattern, hidden=hidden) for pattern in patterns), options)
    except re2.error:
        raise GlobError("are too complex together; use fewer or simpler ones") from None
    if pattern.programsize > MAX_PROGRAM_SIZE:
        raise GlobError("are too complex together; use fewer or simpler ones")
    return pattern  # type: ignore[no-any-return]  # re2 has no types


def _expanded(globs: Iterable[str]) -> Iterator[str]:
    chars = count = 0
    try:
        for glob in globs:
            for pattern in bracex.iexpand(glob, keep_escapes=True, limit=MAX_PATTERNS):
                chars += len(pattern)
                count += 1
                if count > MAX_PATTERNS or chars > MAX_PATTERN_CHARS:
                    raise GlobError(
                        f"stand for more than {MAX_PATTERNS} patterns or {MAX_PATTERN_CHARS} characters; "
                        "use fewer braces or fewer globs"
                    )
                yield pattern
    except bracex.ExpansionLimitException:
        raise GlobError(f"stand for more than {MAX_PATTERNS} patterns; use fewer braces") from None
    except RecursionError:
        raise GlobError("have too many braces inside each other") from None


def _expression(pattern: str, *, hidden: bool) -> str:
    """A pattern without braces as an expression, which needs neither look-ahead nor look-behind."""
    not_first = "" if hidden else "."
    a_name = f"{_written(_without(_EVERY, '/' + not_first))}[^/]*"
    tokens = list(_tokens(pattern))
    expression = ""
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token == _SLASH:
            expression += "/+"
        elif token == _GLOBSTAR:
            follows = tokens[index + 1 : index + 2] == [_SLASH]
            if not index:
                expression += "/*"
            expression += f"(?:{a_name}/+)*" if follows else f"(?:{a_name}/+)*(?:{a_name})?"
            index += follows
            # At the end, `**/` is for folders.
            if index + 1 == len(tokens) and follows:
                expression += "/*"
        else:
            end = next((at for at in range(index, len(tokens)) if tokens[at] == _SLASH), len(tokens))
            expression += _name(tokens[index:end], not_first)
            index = end - 1
        index += 1
    return f"(?:{expression}/*)"


def _name(tokens: Sequence[_Token], not_first: str) -> str:
    """The tokens of one name, whose wildcards match none of `not_first` at its beginning."""
    stars = next((at for at, token in enumerate(tokens) if token != _STAR), len(tokens))
    rest = "".join(_written(token) for token in tokens[stars + 1 :])
    some = f"{_written(_without(_EVERY, '/' + not_first))}[^/]*"
    if stars == len(tokens):
        return some
    token = tokens[stars]
    if not stars:
        return _written(_without(token, not_first) if isinstance(token, tuple) else token) + rest
    # The stars match some characters, or none: then it is the next one that stands at the beginning.
    chars = ((ord(token[1]), ord(token[1])),) if isinstance(token, str) else token
    return f"(?:{some}{_written(token)}|{_written(_without(chars, not_first))}){rest}"


def _tokens(pattern: str) -> Iterator[_Token]:
    # A slash needs no backslash, nor does the end.
    pattern = re.sub(
        r"\\(/|$|.)", lambda found: found[1] if found[1] in ("", "/") else found[0], pattern, flags=re.DOTALL
    )
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            begin = at - 1
            while pattern[at : at + 1] == "*":
                at += 1
            alone = pattern[max(0, begin - 1) : begin] in ("", "/") and pattern[at : at + 1] in ("", "/")
            yield _GLOBSTAR if alone and at - begin == 2 else _STAR
        elif char == "/":
            while pattern[at : at + 1] == "/":
                at += 1
            yield _SLASH
        elif char == "?":
            yield _without(_EVERY, "/")
        elif char == "[" and (found := _class(pattern, at)):
            chars, at = found
            yield chars
        elif char == "\\":
            yield char + pattern[at]
            at += 1
        else:
            yield "\\" + char


def _class(pattern: str, begin: int) -> tuple[_Chars, int] | None:
    """The characters of the class whose bracket was opened before `begin`, and its end; None if it is not closed."""
    at = begin
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    first = at
    ranges: list[tuple[int, int]] = []
    while at < len(pattern) and pattern[at] != "/":
        if pattern[at] == "]" and at > first:
            chars = _without(_joined(ranges), "/")
            return (_without(_EVERY, "/", *chars) if negated else chars), at + 1
        name, closed, _ = pattern[at + 2 : at + 10].partition(":]")
        if pattern.startswith("[:", at) and closed and name in _CLASSES:
            ends = map(ord, _CLASSES[name])
            ranges += zip(ends, ends, strict=True)
            at += len(name) + 4
            continue
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-" and pattern[at + 1 : at + 2] not in ("", "]", "/", "["):
            high, at = _member(pattern, at + 1)
        if low <= high:
            ranges.append((low, high))
    return None


def _member(pattern: str, at: int) -> tuple[int, int]:
    if pattern[at] == "\\" and pattern[at + 1 : at + 2] not in ("", "/"):
        at += 1
    return ord(pattern[at]), at + 1


def _joined(ranges: Iterable[tuple[int, int]]) -> _Chars:
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return tuple(joined)


def _without(chars: _Chars, excluded: str, *ranges: tuple[int, int]) -> _Chars:
    for low, high in (*((ord(char), ord(char)) for char in excluded), *ranges):
        chars = tuple(
            part
            for begin, end in chars
            for part in ((begin, min(end, low - 1)), (max(begin, high + 1), end))
            if part[0] <= part[1]
        )
    return chars


def _written(token: _Token) -> str:
    if token == _STAR:
        return "[^/]*"
    if isinstance(token, str):
        return f"\\x{{{ord(token[1]):x}}}"
    if not token:
        return r"[^\x{0}-\x{10FFFF}]"
    return "[" + "".join(f"\\x{{{low:x}}}-\\x{{{high:x}}}" for low, high in token) + "]"
