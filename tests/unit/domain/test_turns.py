"""Segments of several parties, cut into turns and put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.domain.turns import in_turns


def said(start_ms: int, text: str, channel: int | None, *, speakers: Sequence[str] = (), pauses: int = 100) -> Segment:
    """A segment whose words take 200 ms each, `pauses` ms apart."""
    words = [
        Word(word, start_ms + k * (200 + pauses), start_ms + k * (200 + pauses) + 200, 0.9, (*speakers, *[""] * 99)[k])
        for k, word in enumerate(text.split())
    ]
    return Segment(0, start_ms, words[-1].end_ms, text, "en", 0.9, tuple(words), channel)


def test_an_answer_in_a_pause_parts_the_segment_around_it() -> None:
    question = said(0, "Hello there? Well.", 0, pauses=2_000)
    answer = said(2_700, "Oh, hi!", 1)
    turns = in_turns([question, answer])
    assert [(turn.index, turn.channel, turn.text) for turn in turns] == [
        (0, 0, "Hello there?"),
        (1, 1, "Oh, hi!"),
        (2, 0, "Well."),
    ]
    assert [(turn.start_ms, turn.end_ms) for turn in turns] == [(0, 2_400), (2_700, 3_200), (4_400, 4_600)]


def test_speech_of_one_party_stays_as_it_is() -> None:
    segments = [replace(said(4_000 * k, "One two three.", None, pauses=900), index=k) for k in range(3)]
    assert in_turns(segments) == segments


def test_one_voice_alone_is_the_speaker_of_its_segments() -> None:
    segments = [said(4_000 * k, "One two three.", None, speakers=["Speaker 0"] * 3) for k in range(2)]
    assert [(turn.index, turn.speaker) for turn in in_turns(segments)] == [(0, "Speaker 0"), (1, "Speaker 0")]


def test_speaking_at_the_same_time_parts_no_words_that_follow_at_once() -> None:
    both = [said(0, "one two three four", 0, pauses=0), said(150, "yes yes", 1, pauses=0)]
    assert [turn.text for turn in in_turns(both)] == ["one two three four", "yes yes"]


def test_a_segment_is_parted_where_the_speaker_changes() -> None:
    (first, second) = in_turns([said(0, "How are you? Fine.", None, speakers=["A", "A", "A", "B"])])
    assert (first.text, first.speaker) == ("How are you?", "A")
    assert (second.text, second.speaker) == ("Fine.", "B")


@pytest.mark.parametrize(
    ("speakers", "parts"),
    [
        (["A", "A", "", ""], ["A", ""]),
        (["", "", "A", "A"], ["", "A"]),
        (["A", "", "", "A"], ["A", "", "A"]),
        (["", "", "", ""], [""]),
    ],
)
def test_what_nobody_said_is_given_to_nobody(speakers: list[str], parts: list[str]) -> None:
    whole = replace(said(0, "How are you? Fine.", None, speakers=speakers), speaker=speakers[0])
    other = said(10_000, "Bye.", None, speakers=["B"])
    assert [turn.speaker for turn in in_turns([whole, other])] == [*parts, "B"]
    assert [turn.speaker for turn in in_turns([whole])] == parts


def test_a_segment_without_words_keeps_its_speaker() -> None:
    alone = Segment(0, 0, 900, "Hello.", speaker="A")
    assert in_turns([alone]) == [alone]
    assert [turn.speaker for turn in in_turns([alone, said(2_000, "Hi.", None, speakers=["B"])])] == ["A", "B"]


def test_text_without_spaces_is_parted_as_it_is_written() -> None:
    words = (Word("你好", 0, 400, 0.9, "A"), Word("吗?", 400, 600, 0.9, "A"), Word("好。", 700, 900, 0.9, "B"))
    turns = in_turns([Segment(0, 0, 900, "你好吗?好。", "zh", 0.9, words)])
    assert [turn.text for turn in turns] == ["你好吗?", "好。"]


def test_segments_without_words_are_ordered_whole() -> None:
    plain = [Segment(0, 500, 900, "b", channel=1), Segment(1, 100, 2_000, "a", channel=0)]
    assert [turn.text for turn in in_turns(plain)] == ["a", "b"]


@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 6), st.integers(0, 2), st.integers(0, 1_500)), max_size=12
    )
)
def test_no_word_is_lost_or_doubled_and_turns_are_in_order(drawn: list[tuple[int, int, int, int]]) -> None:
    segments = [
        said(start, " ".join(f"w{number}x{k}" for k in range(words)), channel, pauses=pauses)
        for number, (start, words, channel, pauses) in enumerate(drawn)
    ]
    turns = in_turns(segments)
    spoken = [(segment.channel, word) for segment in segments for word in segment.words]
    assert sorted(spoken, key=str) == sorted(((turn.channel, word) for turn in turns for word in turn.words), key=str)
    for turn in turns:
        assert turn.text.split() == [word.text for word in turn.words]
    if len({segment.channel for segment in segments}) > 1:
        starts = [turn.start_ms for turn in turns]
        assert starts == sorted(starts)
        assert [turn.index for turn in turns] == list(range(len(turns)))
