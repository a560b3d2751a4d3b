"""What the client wants to be written instead."""

# ruff: noqa: RUF001 - letters of other scripts are meant

from __future__ import annotations

import pytest

from batchscribe_server import text
from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.recognition import RecognitionConfig, Replacement
from batchscribe_server.text.replacements import MAX_SEGMENT_CHARS
from tests.edited_segments import edited, said, words_of


@pytest.mark.parametrize(
    ("heard", "replacement", "written"),
    [
        ("Cube control is in New  York", Replacement("cube control", "kubectl"), "kubectl is in New York"),
        ("in new york, now", Replacement("New York", "NYC"), "in NYC, now"),
        ("a cat, concatenated, Cat's", Replacement("cat", "dog"), "a dog, concatenated, dog's"),
        ("Müllers Müller", Replacement("müller", "Miller"), "Müllers Miller"),
        ("say C++ now", Replacement("c++", "C plus plus"), "say C plus plus now"),
        ("Basically, it works", Replacement("basically", ""), "It works"),
        ("東京大学です", Replacement("東京", "京都"), "京都大学です"),
        ("ticket 12-34 now", Replacement(r"(\d+)-(\d+)", r"#\2/\1", regex=True), "ticket #34/12 now"),
        ("foo bar", Replacement(r"FOO (\pL+)", r"\0\\x", regex=True), "foo bar\\x"),
        ("a, b", Replacement(r",", "", regex=True), "a b"),
        ("nothing here", Replacement("there", "x"), "nothing here"),
        # No letter is parted from its marks or joiners.
        ("हिन्दी हिन्द", Replacement("हिन्द", "भारत"), "हिन्दी भारत"),
        ("ที่นี่", Replacement("ท", "ก"), "ที่นี่"),
        ("cafe\u0301 cafe", Replacement("cafe", "bar"), "cafe\u0301 bar"),
        ("می\u200cخواهم می", Replacement("می", "نمی"), "می\u200cخواهم نمی"),
        # What is written stays as it was given.
        ("it is surpassed", Replacement("surpassed", "می\u200cخواهم"), "it is می\u200cخواهم"),
        ("oui oui", Replacement("oui oui", "«\u00a0oui\u00a0»"), "«\u00a0oui\u00a0»"),
        ("say it", Replacement("say", "今日\u3000晴れ"), "今日\u3000晴れ it"),
        ("say it", Replacement("say", "👨\u200d👩\u200d👧"), "👨\u200d👩\u200d👧 it"),
    ],
)
def test_words_and_expressions_are_replaced(heard: str, replacement: Replacement, written: str) -> None:
    after = edited(said(heard), RecognitionConfig(replacements=(replacement,)))
    assert (after.text, words_of(after)) == (written, written)


def test_replacements_follow_each_other() -> None:
    config = RecognitionConfig(replacements=(Replacement("one", "two"), Replacement("two", "three")))
    assert edited(said("one two"), config).text == "three three"


@pytest.mark.parametrize(
    ("replacement", "blamed"),
    [
        (Replacement("(", "", regex=True), "no expression of RE2"),
        (Replacement(r"(?<=a)b", "", regex=True), "no expression of RE2"),
        (Replacement(r"a*", "", regex=True), "nothing to replace"),
        (Replacement(r"a", r"\1", regex=True), "no group"),
        (Replacement(r"a", "\\", regex=True), "no group"),
        (Replacement(r"a", r"\q", regex=True), "no group"),
        (Replacement(r"\pL{9}", "", regex=True), "too complex"),
        (Replacement(r"(\pL{900}){900}", "", regex=True), "RE2"),
    ],
)
def test_what_cannot_be_used_is_a_problem_of_its_place(replacement: Replacement, blamed: str) -> None:
    config = RecognitionConfig(replacements=(Replacement("fine", "x"), replacement))
    [(path, description)] = text.problems(config)
    assert path == "replacements[1]"
    assert blamed in description


def test_expressions_are_weighed_together() -> None:
    config = RecognitionConfig(replacements=tuple(Replacement(r"\pL+x", "y", regex=True) for _ in range(20)))
    [(path, description)] = text.problems(config)
    assert path == "replacements[8]"
    assert "too complex" in description


@pytest.mark.parametrize("expression", [r"(a+)+$", r"(a|aa)+$", r"(.*)(.*)(.*)(.*)(.*)x", r"(a|a|b)*c"])
def test_an_expression_that_would_backtrack_for_ever_does_not(expression: str) -> None:
    heard = "a" * 1_000 + "!"
    config = RecognitionConfig(replacements=(Replacement(expression, "y", regex=True),))
    assert not list(text.problems(config))
    assert edited(said(heard), config).text == heard


def test_text_that_grows_without_bounds_fails_its_job() -> None:
    config = RecognitionConfig(replacements=(Replacement(".", "x" * 500, regex=True),) * 100)
    with pytest.raises(JobFailure, match=str(MAX_SEGMENT_CHARS)) as failure:
        edited(said("hello there, everybody"), config)
    assert failure.value.reason is Reason.TEXT_TOO_LONG
