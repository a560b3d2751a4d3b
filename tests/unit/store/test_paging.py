"""Page tokens."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.errors import InvalidArgumentError
from batchscribe_server.domain.job import State
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.store.paging import Place, read_token, write_token

moments = st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC))


@given(
    st.builds(
        Place,
        create_time=moments,
        id=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        total=st.integers(0, 2**31 - 1),
    )
)
def test_a_token_gives_its_place_back(place: Place) -> None:
    query = ListQuery("default", 10, states=(State.QUEUED, State.RUNNING), labels={"a": "b", "c": "d"})
    token = write_token("jobs", query, place)
    same = ListQuery("default", 99, token, states=(State.RUNNING, State.QUEUED), labels={"c": "d", "a": "b"})
    assert read_token("jobs", same) == place


@given(st.text(min_size=1))
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        read_token("jobs", ListQuery("default", 10, page_token=text))
    assert [violation.field for violation in refused.value.violations] == ["page_token"]


def test_a_token_of_jobs_is_none_of_batches() -> None:
    query = ListQuery("default", 10)
    token = write_token("jobs", query, Place(datetime(2026, 1, 1, tzinfo=UTC), "one", 1))
    with pytest.raises(InvalidArgumentError):
        read_token("batches", ListQuery("default", 10, token))
