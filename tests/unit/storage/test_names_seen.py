"""Names that were seen before are told with where."""

from __future__ import annotations

from batchscribe_server.storage.names_seen import names_seen


def test_a_repeated_name_is_told_with_the_line_of_the_first() -> None:
    with names_seen() as seen:
        assert seen.repeated([("a", 1), ("b", 2), ("a", 3)]) == [(3, 1)]
        assert seen.repeated([("b", 4), ("c", 5), ("a", 6), ("\ud800", 7)]) == [(4, 2), (6, 1)]
        assert seen.known([("d", 8), ("b", 9)]) == [(9, 2)]
        assert seen.known([("d", 10)]) == []
    with names_seen() as seen:
        assert seen.repeated([("a", 1)]) == []


def test_a_hundred_thousand_names_are_told_apart() -> None:
    with names_seen() as seen:
        assert seen.repeated([(f"file:///out/{number}.wav", number) for number in range(100_000)]) == []
        assert seen.repeated([("file:///out/99999.wav", 100_001)]) == [(100_001, 99_999)]
