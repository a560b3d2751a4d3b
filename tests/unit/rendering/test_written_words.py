"""A segment's words as they are written."""

# ruff: noqa: RUF001 - the marks of other scripts are meant
from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.rendering.written_words import written_words
from tests.transcripts import said

TOKENS = st.text(alphabet="ab1$%&'.,?!(\"今天，。สว", min_size=1, max_size=5)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    """Tokens as a model times them, some with a space before them, some without."""
    tokens = draw(st.lists(st.tuples(TOKENS, st.booleans(), st.integers(0, 400)), min_size=1, max_size=12))
    text, words, now_ms = "", [], 1_000
    for token, spaced, length_ms in tokens:
        text += f" {token}" if spaced and text else token
        words.append(Word(token, now_ms, now_ms + length_ms, draw(st.floats(0, 1))))
        now_ms += length_ms
    return Segment(0, 1_000, now_ms, text, "en", 0.5, tuple(words))


@given(segments(), st.booleans())
def test_words_joined_by_the_spaces_between_them_are_the_text(segment: Segment, timed: bool) -> None:
    segment = segment if timed else replace(segment, words=())
    assert " ".join(word.text for word in written_words(segment, " ")) == segment.text


@given(segments(), st.booleans())
def test_where_words_are_not_spaced_they_are_joined_as_they_are(segment: Segment, timed: bool) -> None:
    segment = segment if timed else replace(segment, words=())
    assert "".join(word.text for word in written_words(segment, "")) == segment.text


@given(segments(), st.sampled_from(["", " "]))
def test_times_lie_within_the_segment_and_never_go_back(segment: Segment, delimiter: str) -> None:
    words = written_words(segment, delimiter)
    assert all(segment.start_ms <= word.start_ms <= word.end_ms <= segment.end_ms for word in words)
    assert all(before.start_ms <= after.start_ms for before, after in pairwise(words))
    assert all(0 <= word.confidence <= 1 for word in words)


@pytest.mark.parametrize(
    ("text", "words", "delimiter", "written"),
    [
        ("It rose 10% to $5.", ["It", "rose", "10", "%", "to", "$", "5."], " ", ["It", "rose", "10%", "to", "$5."]),
        ("他说New York很大。", ["他", "说", "New", "York", "很", "大。"], "", ["他", "说", "New York", "很", "大。"]),
        ("我用iPhone10%。", ["我", "用", "iPhone", "10", "%。"], "", ["我", "用", "iPhone10%。"]),
        ("สวัสดี ครับ", ["สวัสดี", "ครับ"], "", ["สวัสดี ครับ"]),
        ("今天天气", [], "", ["今", "天", "天", "气"]),
    ],
)
def test_what_belongs_together_is_one_word(text: str, words: list[str], delimiter: str, written: list[str]) -> None:
    assert [word.text for word in written_words(said(text, words=words), delimiter)] == written


def test_a_word_of_several_is_as_sure_as_the_least_of_them_and_lasts_as_long_as_all() -> None:
    segment = Segment(0, 0, 900, "10%", words=(Word("10", 100, 400, 0.9), Word("%", 400, 800, 0.3)))
    assert written_words(segment, " ") == [Word("10%", 100, 800, 0.3)]


def test_words_that_were_not_timed_share_their_segments_time_by_length() -> None:
    segment = Segment(0, 1_000, 2_000, "I go there", "en", 0.7, speaker="Speaker 1")
    assert written_words(segment, " ") == [
        Word("I", 1_000, 1_125, 0.7, "Speaker 1"),
        Word("go", 1_125, 1_375, 0.7, "Speaker 1"),
        Word("there", 1_375, 2_000, 0.7, "Speaker 1"),
    ]
