"""URLs, and what of them may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.url import is_url, shown_url


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://h/a.wav", "https://h/a.wav"),
        ("HTTPS://h/a.wav?X-Signature=secret#part", "HTTPS://h/a.wav"),
        ("http://h?secret", "http://h"),
        ("https://user:secret@h:8443/a@b.wav", "https://h:8443/a@b.wav"),
        ("https://a@user:secret@h/", "https://h/"),
        ("https://h//x@y?secret", "https://h//x@y"),
        ("https:user:secret@h/", "https:h/"),
        ("s3://bucket/a?b#c@d", "s3://bucket/a?b#c@d"),
        ("file:///a?b#c@d", "file:///a?b#c@d"),
        ("media/abc", "media/abc"),
    ],
)
def test_neither_query_nor_password_is_shown(uri: str, shown: str) -> None:
    assert shown_url(uri) == shown


@given(st.text(), st.text())
def test_nothing_after_a_question_mark_is_shown(path: str, query: str) -> None:
    assert shown_url(f"https://h/{path}?{query}") == shown_url(f"https://h/{path}?")


def test_only_web_schemes_are_urls() -> None:
    assert [is_url(uri) for uri in ("https://h", "HTTP://h", "s3://h", "file:///h", "httpsx://h")] == [
        *(True, True, False, False, False)
    ]
