"""Topics as the payloads of NOTIFY."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

shared_wakeups = pytest.importorskip("batchscribe_server.store.shared_wakeups", reason="needs batchscribe[postgres]")

TOPICS = st.sets(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=300))


@given(TOPICS.map(lambda topics: {f"{topic}{number}" * 9 for number, topic in enumerate(topics)}))
def test_every_topic_is_in_one_payload_and_none_is_too_long(topics: set[str]) -> None:
    told = list(shared_wakeups.payloads(topics))
    assert sorted("\n".join(told).split("\n") if told else []) == sorted(topics)
    assert all(len(payload.encode()) < 8_000 for payload in told)
