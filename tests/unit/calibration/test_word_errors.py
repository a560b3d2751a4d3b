"""Words, and how many of them are wrong."""

from __future__ import annotations

import jiwer
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_engine.calibration.word_errors import edits, words

sentences = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't, well-known: Mr. O\u2019Neil!", ["dont", "well", "known", "mr", "oneil"]),
        ("  \n", []),
        ("…—?", []),
        ("Größe ÉTÉ", ["größe", "été"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("今天好,OK 了", ["今", "天", "好", "ok", "了"]),
    ],
)
def test_words_are_told_apart(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a x c", 1),
        ("a b c", "a c", 1),
        ("a b c", "a b x c y", 2),
        ("", "a b", 2),
        ("a b", "", 2),
        ("", "", 0),
        ("a b c d", "d a b c", 2),
        # What a model says that repeats its last words.
        ("we took the last train home", "we took the last train home the last train home", 4),
    ],
)
def test_edits_are_counted(said: str, heard: str, expected: int) -> None:
    assert edits(said.split(), heard.split()) == expected


@given(sentences.filter(bool), sentences)
def test_edits_are_those_that_jiwer_counts(said: list[str], heard: list[str]) -> None:
    counted = jiwer.process_words(" ".join(said), " ".join(heard))
    assert edits(said, heard) == counted.substitutions + counted.deletions + counted.insertions


@given(sentences, sentences, sentences)
def test_edits_are_a_distance(one: list[str], other: list[str], third: list[str]) -> None:
    assert edits(one, other) == edits(other, one)
    assert (edits(one, other) == 0) == (one == other)
    assert edits(one, third) <= edits(one, other) + edits(other, third)
    assert abs(len(one) - len(other)) <= edits(one, other) <= max(len(one), len(other))
