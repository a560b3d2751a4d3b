"""Versions, parts and pauses as headers tell them."""

from __future__ import annotations

import pytest

from batchscribe_server.storage.http_headers import Part, Version, length_of, part_of, retry_after_s, version_of

AT_NINE = "Wed, 25 Nov 2026 09:00:00 GMT"
AT_TEN = "Wed, 25 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({}, Version()),
        ({"etag": '"a"', "last-modified": AT_NINE}, Version('"a"', AT_NINE, '"a"')),
        ({"etag": 'W/"a"'}, Version()),
        ({"etag": "a"}, Version()),
        ({"last-modified": AT_NINE, "date": AT_TEN}, Version("", AT_NINE, AT_NINE)),
        ({"last-modified": AT_NINE, "date": AT_NINE}, Version("", AT_NINE)),
        ({"last-modified": AT_NINE}, Version("", AT_NINE)),
        ({"last-modified": "yesterday", "date": AT_TEN}, Version("", "yesterday")),
        ({"last-modified": AT_NINE.replace("GMT", "-0000"), "date": AT_TEN}, None),
    ],
)
def test_a_version_is_a_strong_etag_or_a_time(headers: dict[str, str], version: Version | None) -> None:
    found = version_of(headers)
    assert found == version or (version is None and found.condition == headers["last-modified"])


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (Version("a", "x"), Version("a", "y"), False),
        (Version("a", "x"), Version("b", "x"), True),
        (Version("a", "x"), Version("", "x"), False),
        (Version("a", "x"), Version("", "y"), True),
        (Version("a"), Version(), False),
        (Version(), Version(), False),
    ],
)
def test_versions_differ_where_they_surely_do(one: Version, other: Version, differ: bool) -> None:
    assert one.differs_from(other) is other.differs_from(one) is differ


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes 5-9/10", Part(5, 10)),
        ("bytes 5-9/*", Part(5, None)),
        ("Bytes */10", Part(None, 10)),
        ("bytes */*", Part(None, None)),
        ("items 5-9/10", Part(None, None)),
        ("bytes 5-/10", Part(None, None)),
        ("", Part(None, None)),
    ],
)
def test_parts_are_read(value: str, part: Part) -> None:
    assert part_of({"content-range": value}) == part


@pytest.mark.parametrize(
    ("value", "length"), [("0", 0), ("12", 12), ("-1", None), ("1e3", None), ("", None), ("²", None)]
)
def test_lengths_are_read(value: str, length: int | None) -> None:
    assert length_of({"content-length": value}) == length


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({}, 0.0),
        ({"retry-after": "5"}, 5.0),
        ({"retry-after": "31"}, 31.0),
        ({"retry-after": "9" * 30}, 86_400.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": AT_TEN, "date": AT_NINE}, 3_600.0),
        ({"retry-after": AT_NINE.replace("00 GMT", "09 GMT"), "date": AT_NINE}, 9.0),
        ({"retry-after": AT_NINE, "date": AT_TEN}, 0.0),
        ({"retry-after": AT_TEN}, 0.0),
    ],
)
def test_servers_are_left_alone_for_a_day_at_most(headers: dict[str, str], pause_s: float) -> None:
    assert retry_after_s(headers) == pause_s
