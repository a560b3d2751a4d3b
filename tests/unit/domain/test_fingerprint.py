"""What is said of a file that is not the one that was listed."""

import pytest

from batchscribe_server.domain.fingerprint import change_since, fingerprint


@pytest.mark.parametrize(
    ("listed", "fetched", "words"),
    [
        ("1234-abc", "1234-abc", ""),
        ("", "1234-abc", ""),
        ("1234-abc", "5678-def", "1,234 bytes then, 5,678 now"),
        ("1234-abc", "5678-abc", "1,234 bytes then, 5,678 now"),
        ("1234-abc", "1234-def", "1,234 bytes still"),
        ("1234-", "1234-def", ""),
        ("1234-", "5678-def", "1,234 bytes then, 5,678 now"),
        ("1234-a-b", "1234-a-c", "1,234 bytes still"),
    ],
)
def test_a_change_is_told_in_plain_words(listed: str, fetched: str, words: str) -> None:
    change = change_since(listed, fetched)
    assert bool(change) == bool(words)
    assert words in change


def test_quotation_marks_of_an_etag_make_no_difference() -> None:
    assert fingerprint(5, '"abc"') == fingerprint(5, "abc")
