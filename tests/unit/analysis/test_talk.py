"""Talk times, silence and interruptions against values computed by hand."""

from __future__ import annotations

from batchscribe_server.analysis.sentences import turns_of
from batchscribe_server.analysis.talk import Talk, Times, talks_of, times_of
from tests.conversations import Said, transcript_of


def talk(*said: Said, language: str = "en") -> tuple[dict[str, Talk], Times]:
    turns = turns_of(transcript_of(said, language=language))
    return {one.party: one for one in talks_of(turns)}, times_of(turns)


def test_times_of_two_parties_who_overlap() -> None:
    parties, times = talk(
        ("A", "one two three four", 0, 10_000),
        ("B", "five six", 9_000, 12_000),  # begins a second early, and speaks on: an interruption
        ("A", "seven eight nine", 13_000, 16_000),
        ("B", "mhm", 14_000, 14_500),  # ends before A does: none
        ("A", "ten", 16_500, 17_000),
    )
    assert (times.speech_ms, times.overlap_ms) == (12_000 + 3_000 + 500, 1_000 + 500)
    a, b = parties["A"], parties["B"]
    assert (a.talk_ms, a.turns, a.longest_turn_ms, a.interruptions, a.words) == (13_500, 3, 10_000, 0, 8)
    assert (b.talk_ms, b.turns, b.longest_turn_ms, b.interruptions, b.words) == (3_500, 2, 3_000, 1, 3)
    assert a.words_per_minute == round(8 / 13.5 * 60, 1)


def test_a_small_overlap_or_the_same_begin_is_no_interruption() -> None:
    parties, _ = talk(("A", "yes", 0, 5_000), ("B", "no", 4_800, 7_000), ("A", "so", 8_000, 9_000))
    assert [one.interruptions for one in parties.values()] == [0, 0]
    parties, times = talk(("A", "yes", 0, 5_000), ("B", "no", 0, 7_000))
    assert [one.interruptions for one in parties.values()] == [0, 0]
    assert times.overlap_ms == 5_000


def test_a_long_pause_ends_a_turn_and_a_short_one_does_not() -> None:
    parties, times = talk(("A", "a", 0, 1_000), ("A", "b", 2_500, 4_000), ("A", "c", 6_500, 7_000))
    assert (parties["A"].turns, parties["A"].longest_turn_ms, parties["A"].talk_ms) == (2, 4_000, 3_000)
    assert (times.speech_ms, times.overlap_ms) == (3_000, 0)


def test_segments_of_one_party_that_overlap_are_counted_once() -> None:
    parties, times = talk(("A", "a", 0, 2_000), ("A", "b", 1_000, 3_000))
    assert (parties["A"].talk_ms, times.speech_ms, times.overlap_ms) == (3_000, 3_000, 0)


def test_scripts_without_spaces_have_no_count_of_words() -> None:
    parties, _ = talk(("A", "你好。很好。", 0, 2_000), language="zh")
    assert (parties["A"].words, parties["A"].words_per_minute) == (None, None)


def test_nothing_said_is_no_party() -> None:
    parties, times = talk()
    assert (parties, times.speech_ms, times.overlap_ms) == ({}, 0, 0)
