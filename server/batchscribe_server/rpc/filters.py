"""Filters and orders of listings: the part of AIP-160 that the contract describes, read into a query of the store.

filter   = term { "AND" term }
term     = field "=" value | field "=" "(" value { "OR" value } ")"
field    = "state" | "reference_id" | "labels." key | "input_uri"
value    = text | '"' text with \\" and \\\\ '"'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.job import State
from batchscribe_server.rpc.names import shown

MAX_FILTER_CHARS = 4_096

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<quoted>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<sign>!=|<=|>=|[=<>():,])
    | (?P<dot>\.)
    | (?P<word>[^\s"'=<>():,.!]+)
    )""",
    re.VERBOSE,
)
_END = "the end"


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filter asks for; empty values ask for nothing."""

    states: tuple[State, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    reference_id: str = ""
    uri: str = ""
    uri_prefix: str = ""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _FilterError(ValueError):
    """What is wrong with a filter, and where, in plain words."""


def read_filter(text: str, fields: frozenset[str], violations: Violations, path: str = "filter") -> Filter:
    """Read a filter on some of `state`, `reference_id`, `labels` and `input_uri`; a bad one is noted and empty."""
    try:
        return _Parser(text, fields).parse()
    except _FilterError as error:
        violations.add(path, str(error))
        return Filter()


def read_order(text: str, violations: Violations, path: str = "order_by") -> bool:
    """Whether the oldest come first: `create_time`, or `create_time desc`, the default."""
    match text.split():
        case [] | ["create_time", "desc"]:
            return False
        case ["create_time"] | ["create_time", "asc"]:
            return True
        case _:
            violations.add(path, f"{shown(text)} is not supported; use `create_time desc` or `create_time`")
            return False


class _Parser:
    """Reads one filter, a token at a time."""

    def __init__(self, text: str, fields: frozenset[str]) -> None:
        self._fields = fields
        self._tokens = list(_tokens(text))
        self._next = 0
        self._states: tuple[State, ...] = ()
        self._labels: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def parse(self) -> Filter:
        """The whole filter."""
        if self._peek().kind != "end":
            self._read_term()
            while self._peek().kind != "end":
                self._expect_word("AND")
                self._read_term()
        uri = self._texts.get("input_uri", "")
        return Filter(
            states=self._states,
            labels=self._labels,
            reference_id=self._texts.get("reference_id", ""),
            uri="" if uri.endswith("*") else uri,
            uri_prefix=uri.removesuffix("*") if uri.endswith("*") else "",
        )

    def _read_term(self) -> None:
        token = self._take()
        if token.kind != "word" or token.text not in self._fields:
            known = ", ".join(sorted(self._fields))
            raise _at(token, f"{shown(token.text)} is not a field to filter by; those are {known}")
        match token.text:
            case "state":
                self._expect_equals()
                self._once(token, bool(self._states))
                self._states = self._read_states()
            case "labels":
                key = self._read_label_key()
                self._expect_equals()
                self._once(token, key in self._labels)
                self._labels[key] = self._read_value()
            case "input_uri":
                self._expect_equals()
                self._once(token, token.text in self._texts)
                self._texts[token.text] = self._read_uri()
            case name:
                self._expect_equals()
                self._once(token, name in self._texts)
                self._texts[name] = self._read_value(empty=False)

    def _read_states(self) -> tuple[State, ...]:
        if self._peek().text != "(" or self._peek().kind != "sign":
            return (self._read_state(),)
        self._take()
        states = [self._read_state()]
        while self._peek().kind == "word":
            self._expect_word("OR")
            states.append(self._read_state())
        closing = self._take()
        if closing.kind != "sign" or closing.text != ")":
            raise _at(closing, f"a closing parenthesis is missing before {shown(closing.text)}")
        return tuple(dict.fromkeys(states))

    def _read_state(self) -> State:
        token = self._take()
        name = token.text.removeprefix("STATE_")
        if token.kind not in ("word", "quoted") or name not in State.__members__:
            raise _at(token, f"{shown(token.text)} is not a state; those are {', '.join(State.__members__)}")
        return State[name]

    def _read_label_key(self) -> str:
        if self._take().kind != "dot":
            raise _at(self._tokens[self._next - 1], 'a label is written labels.key or labels."key"')
        first = self._take()
        if first.kind == "quoted":
            return first.text
        if first.kind != "word":
            raise _at(first, "the label's key is missing")
        key = first.text
        while self._peek().kind == "dot":  # keys such as example.com/team
            self._take()
            key = f"{key}.{self._take().text}"
        return key

    def _read_uri(self) -> str:
        """A whole URI, or the beginning of one with * at its end."""
        token = self._peek()
        value = self._read_value(empty=False)
        if value == "*":
            raise _at(token, "* alone stands for every URI; leave the term out")
        return value

    def _read_value(self, *, empty: bool = True) -> str:
        token = self._take()
        if token.kind not in ("word", "quoted"):
            raise _at(token, f"a value is missing before {shown(token.text)}")
        value = token.text
        while token.kind == "word" and self._peek().kind == "dot":  # numbers and file names without quotes
            self._take()
            value = f"{value}.{self._take().text}"
        if not value and not empty:
            raise _at(token, "the value is empty")
        return value

    def _expect_equals(self) -> None:
        token = self._take()
        if token.kind != "sign" or token.text != "=":
            raise _at(token, f"only = is supported here, not {shown(token.text)}")

    def _expect_word(self, word: str) -> None:
        token = self._take()
        if token.kind != "word" or token.text != word:
            raise _at(token, f"{word} is expected, not {shown(token.text)}")

    def _once(self, token: _Token, seen: bool) -> None:
        if seen:
            raise _at(token, f"{token.text} is named twice")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token


def _tokens(text: str) -> Iterator[_Token]:
    if len(text) > MAX_FILTER_CHARS:
        raise _FilterError(f"is longer than {MAX_FILTER_CHARS} characters")
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            rest = text[position:].lstrip()
            problem = "a quotation mark is not closed" if rest[:1] in "\"'" else f"{shown(rest[:1])} is not expected"
            raise _FilterError(f"at character {end - len(rest.rstrip()) + 1}: {problem}")
        kind, token = match.lastgroup, match[match.lastgroup]
        if kind == "quoted":
            token = re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)
        yield _Token(kind, token, match.start(match.lastgroup) + 1)
        position = match.end()
    yield _Token("end", _END, end + 1)


def _at(token: _Token, problem: str) -> _FilterError:
    return _FilterError(f"at character {token.position}: {problem}")
