"""The filters of listings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.job import State
from batchscribe_server.rpc.filters import Filter, read_filter, read_order

ALL_FIELDS = frozenset({"state", "labels", "reference_id", "input_uri"})


def read(text: str) -> Filter:
    violations = Violations()
    result = read_filter(text, ALL_FIELDS, violations)
    assert violations.found == []
    return result


def problem(text: str, fields: frozenset[str] = ALL_FIELDS) -> str:
    violations = Violations()
    assert read_filter(text, fields, violations) == Filter()
    (violation,) = violations.found
    assert violation.field == "filter"
    return violation.description


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Filter()),
        ("  ", Filter()),
        ("state = RUNNING", Filter(states=(State.RUNNING,))),
        ("state=STATE_RUNNING", Filter(states=(State.RUNNING,))),
        ('state = "FAILED"', Filter(states=(State.FAILED,))),
        ("state = (QUEUED OR RUNNING)", Filter(states=(State.QUEUED, State.RUNNING))),
        ("state = (QUEUED)", Filter(states=(State.QUEUED,))),
        ('labels.team = "a"', Filter(labels={"team": "a"})),
        ("labels.team = a AND labels.site = b", Filter(labels={"team": "a", "site": "b"})),
        ('labels."my key" = ""', Filter(labels={"my key": ""})),
        ("labels.example.com/team = a.b", Filter(labels={"example.com/team": "a.b"})),
        ("reference_id = '42'", Filter(reference_id="42")),
        ('reference_id = "say \\"hi\\" \\\\"', Filter(reference_id='say "hi" \\')),
        ('input_uri = "file:///calls/*"', Filter(uri_prefix="file:///calls/")),
        ('input_uri = "file:///calls/a.wav"', Filter(uri="file:///calls/a.wav")),
        (
            'state = FAILED AND labels.team = "a" AND reference_id = x AND input_uri = "file:///*"',
            Filter((State.FAILED,), {"team": "a"}, "x", uri_prefix="file:///"),
        ),
    ],
)
def test_filters_are_read(text: str, expected: Filter) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("status = RUNNING", 1, "not a field"),
        ("state = NOWHERE", 9, "not a state"),
        ("state != RUNNING", 7, "only ="),
        ("state RUNNING", 7, "only ="),
        ("state =", 8, "not a state"),
        ("state = (QUEUED OR", 19, "not a state"),
        ("state = (QUEUED RUNNING)", 17, "OR is expected"),
        ("state = (QUEUED", 16, "parenthesis"),
        ("state = QUEUED state = FAILED", 16, "AND is expected"),
        ("state = QUEUED AND", 19, "not a field"),
        ("state = QUEUED AND state = FAILED", 20, "twice"),
        ("state = QUEUED OR state = FAILED", 16, "AND is expected"),
        ("labels = x", 8, "labels.key"),
        ("labels. = x", 9, "key is missing"),
        ('labels.team = "x', 15, "not closed"),
        ("labels.team = x AND labels.team = y", 21, "twice"),
        ('reference_id = ""', 16, "empty"),
        ("reference_id = ! x", 16, "not expected"),
        ('input_uri = "*"', 13, "every URI"),
        ("NOT state = QUEUED", 1, "not a field"),
    ],
)
def test_a_bad_filter_says_what_and_where(text: str, position: int, words: str) -> None:
    description = problem(text)
    assert description.startswith(f"at character {position}: ")
    assert words in description


def test_batches_have_no_input_uri_to_filter_by() -> None:
    assert "input_uri" in problem('input_uri = "file:///*"', frozenset({"state", "labels", "reference_id"}))


def test_a_filter_has_a_length_that_is_too_much() -> None:
    assert "longer" in problem(f'reference_id = "{"x" * 5_000}"')


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    violations = Violations()
    result = read_filter(text, ALL_FIELDS, violations)
    assert not violations.found or result == Filter()


@given(st.text(min_size=1, max_size=50), st.text(max_size=50))
def test_any_label_can_be_looked_for_when_it_is_quoted(key: str, value: str) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert read(f"labels.{quoted(key)} = {quoted(value)}").labels == {key: value}


def test_orders() -> None:
    violations = Violations()
    assert not read_order("", violations)
    assert not read_order(" create_time  desc ", violations)
    assert read_order("create_time", violations)
    assert violations.found == []
    read_order("name", violations)
    assert [violation.field for violation in violations.found] == ["order_by"]
