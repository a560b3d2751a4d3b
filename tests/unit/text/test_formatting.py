"""Numbers in words become figures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.recognition import RecognitionConfig, Task
from tests.edited_segments import edited, said, words_of

_SAID = "one two five oh zero twenty thirty hundred million and a point dollars percent p.m. May first 7 25 dogs,"
CONFIG = RecognitionConfig(smart_formatting=True)


@pytest.mark.parametrize(
    ("heard", "written"),
    [
        ("I paid twenty-five dollars and fifty cents.", "I paid $25.50."),
        ("five euros, two million dollars", "€5, $2 million"),
        ("ten pounds of flour for ten pounds and five pence", "10 pounds of flour for £10.05"),
        ("It was nineteen ninety nine, then twenty oh five.", "It was 1999, then 2005."),
        ("on May twenty first twenty twenty four", "on May 21, 2024"),
        ("May first, two thousand and five", "May 1, 2005"),
        ("the twenty first of May", "the 21st of May"),
        ("call five five five one two three four.", "call 555-1234."),
        ("two one two five five five one two three four", "212-555-1234"),
        ("at three thirty p.m. or five pm", "at 3:30 p.m. or 5 pm"),
        ("at five o'clock", "at 5 o'clock"),
        ("twenty five percent of a hundred and twenty", "25% of 120"),
        ("twenty five thousand people, three point one four", "25,000 people, 3.14"),
        # Small numbers and figures stay.
        ("one of them, two or three", "one of them, two or three"),
        ("25 dogs, $3.50, 10 percent, 3 p.m. and 1999", "25 dogs, $3.50, 10 percent, 3 p.m. and 1999"),
        ("2 million people, 25 hundred, 3 point five", "2 million people, 25 hundred, 3 point five"),
        ("wait a second in March for five people", "wait a second in March for five people"),
    ],
)
def test_english_is_written_as_people_write_it(heard: str, written: str) -> None:
    after = edited(said(heard), CONFIG)
    assert (after.text, words_of(after)) == (written, written)
    assert edited(after, CONFIG).text == written


@pytest.mark.parametrize(
    ("language", "heard", "written"),
    [
        ("de", "zweihundertdrei Leute und drei Hunde", "203 Leute und drei Hunde"),
        ("fr", "quatre-vingt-dix-neuf chats", "99 chats"),
        ("es", "veinticinco personas", "25 personas"),
        ("ja", "二十五人", "二十五人"),
    ],
)
def test_other_languages_get_figures_where_numbers_are_known(language: str, heard: str, written: str) -> None:
    assert edited(said(heard, language), CONFIG).text == written


def test_a_translation_is_english_whatever_was_spoken() -> None:
    config = RecognitionConfig(smart_formatting=True, task=Task.TRANSLATE)
    assert edited(said("twenty five dogs", "de"), config).text == "25 dogs"


@given(
    st.lists(
        st.sampled_from(_SAID.split()),
        max_size=12,
    )
)
def test_formatting_again_changes_nothing_and_figures_stay(words: list[str]) -> None:
    once = edited(said(" ".join(words)), CONFIG)
    assert words_of(once) == once.text
    assert edited(once, CONFIG).text == once.text
    for figures in ("7", "25"):
        assert once.text.split().count(figures) >= words.count(figures)
