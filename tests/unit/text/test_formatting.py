"""Numbers in words become figures where they are certain, and sound the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server import text
from batchscribe_server.domain.recognition import RecognitionConfig, Task
from batchscribe_server.text.spoken_numbers import LANGUAGES
from tests.edited_segments import edited, said, words_of
from tests.unit.text import formatted_phrases as phrases
from tests.unit.text import formatted_phrases_elsewhere as elsewhere
from tests.unit.text.read_aloud import english, german, sounds_like

CONFIG = RecognitionConfig(smart_formatting=True)

_WORDS = {
    "en": "one two five nine zero oh ten sixteen nineteen twenty twenty-one thirty ninety hundred hundreds thousand "
    "thousands million millions billion and and a an of or to point dollars dollar cents percent per cent pounds "
    "pence euros half quarter dozen double first second third twentieth tenth hundredth nineties p.m. o'clock May "
    "the in 7 25 dogs, people.",
    "de": "ein eine eins zwei fünf neun null zehn elf zwanzig einundzwanzig dreißig hundert hunderteins einhundert "
    "zweihundert tausend zweitausend Million Millionen Tausende und und oder bis Komma halb halbe Prozent Euro "
    "zwanzigsten zehnte dritte Mai Juni die 7 25 Hunde, Leute.",
}


def _pairs(table: str) -> list[tuple[str, str]]:
    return [(heard, written) for heard, written in (line.split(" => ") for line in table.strip().splitlines())]


_WRITTEN = [
    (language, *pair)
    for language, table in {
        "en": phrases.ENGLISH_WRITTEN,
        "de": phrases.GERMAN_WRITTEN,
        **elsewhere.OTHER_WRITTEN,
    }.items()
    for pair in _pairs(table)
]
_STAYS = [
    (language, line)
    for language, table in {"en": phrases.ENGLISH_STAYS, "de": phrases.GERMAN_STAYS, **elsewhere.OTHER_STAYS}.items()
    for line in table.strip().splitlines()
]


def test_every_language_has_its_phrases() -> None:
    assert {language for language, *_ in _WRITTEN} == {language for language, _ in _STAYS} == LANGUAGES
    for language in ("en", "de"):
        assert sum(each[0] == language for each in (*_WRITTEN, *_STAYS)) >= 150


@pytest.mark.parametrize(("language", "words", "written"), _WRITTEN)
def test_what_is_certain_is_written(language: str, words: str, written: str) -> None:
    after = edited(said(f"{words}!", language), CONFIG)
    assert (after.text, words_of(after)) == (f"{written}!", f"{written}!")
    assert edited(after, CONFIG).text == after.text
    if language in _WORDS:
        assert sounds_like(after.text, words, language)


@pytest.mark.parametrize(("language", "words"), _STAYS)
def test_what_is_in_doubt_stays_in_words(language: str, words: str) -> None:
    assert edited(said(f"{words}!", language), CONFIG).text == f"{words}!"


def test_other_languages_stay_as_they_are() -> None:
    assert edited(said("二十五人", "ja"), CONFIG).text == "二十五人"


def test_a_translation_is_english_whatever_was_spoken() -> None:
    config = RecognitionConfig(smart_formatting=True, task=Task.TRANSLATE)
    assert edited(said("twenty five dogs", "de"), config).text == "25 dogs"


def test_merged_words_last_from_the_first_to_the_last() -> None:
    segment = edited(said("I paid one point five million dollars yesterday."), CONFIG)
    assert [
        (word.text, word.start_ms, word.end_ms) for word in segment.words if word.text in {"paid", "yesterday."}
    ] == [
        ("paid", 500, 900),
        ("yesterday.", 3500, 3900),
    ]
    money = segment.words[2:4]
    assert [word.text for word in money] == ["$1.5", "million"]
    assert (money[0].start_ms, money[1].end_ms) == (1000, 3400)


@pytest.mark.parametrize("language", sorted(_WORDS))
@given(data=st.data())
def test_what_is_written_sounds_like_what_was_said(language: str, data: st.DataObject) -> None:
    words = " ".join(data.draw(st.lists(st.sampled_from(_WORDS[language].split()), min_size=1, max_size=10)))
    once = edited(said(f"{words}!", language), CONFIG)
    assert words_of(once) == once.text
    assert sounds_like(once.text, words, language)
    assert edited(once, CONFIG).text == once.text
    for figures in ("7", "25"):
        assert once.text.strip("!").split().count(figures) >= words.split().count(figures)


@given(st.integers(10, 10**9 - 1), st.sampled_from(["", " dollars", " percent"]))
def test_every_number_is_written_and_sounds_the_same(value: int, unit: str) -> None:
    words = f"{english(value)}{unit}"
    once = edited(said(f"It is {words}."), CONFIG).text
    assert "twenty" not in once
    assert "hundred" not in once
    assert sounds_like(once, f"It is {words}.", "en")


@given(st.integers(11, 999_999).filter(lambda value: value != 1000 and value != 100))
def test_every_german_number_is_written_and_sounds_the_same(value: int) -> None:
    assert edited(said(f"Es sind {german(value)}.", "de"), CONFIG).text == f"Es sind {value}."


@pytest.mark.parametrize(
    ("segments", "written"),
    [
        (["I had one point", "five million dollars."], ["I had one point", "five million dollars."]),
        (["It costs half", "a million dollars."], ["It costs half", "a million dollars."]),
        (["It was twenty", "five dollars. And twenty dogs."], ["It was twenty", "five dollars. And 20 dogs."]),
        (["It was two or", "three hundred."], ["It was two or", "three hundred."]),
        (["It was twenty...", "five of them."], ["It was twenty...", "five of them."]),
        (["It was nineteen", "ninety nine."], ["It was nineteen", "ninety nine."]),
        (["It was 1999", "twenty people."], ["It was 1999", "twenty people."]),
        (["It was twenty.", "Twenty five people."], ["It was 20.", "25 people."]),
        (["I saw", "twenty five people."], ["I saw", "25 people."]),
        (["It costs twenty dollars", "for ten people."], ["It costs $20", "for 10 people."]),
    ],
)
def test_a_number_that_a_pause_may_have_cut_stays_in_words(segments: list[str], written: list[str]) -> None:
    editor = text.editor(CONFIG)
    resumed = text.editor(CONFIG)
    assert editor is not None
    assert resumed is not None
    for index, (words, expected) in enumerate(zip(segments, written, strict=True)):
        segment = said(words, index=index)
        after = editor.edit(segment)
        assert after.text == expected
        assert resumed.edit(segment) == after
        resumed = text.editor(CONFIG)  # as after a crash
        assert resumed is not None
        assert resumed.remembers
        resumed.recall(after)


def test_channels_do_not_continue_each_other() -> None:
    editor = text.editor(CONFIG)
    assert editor is not None
    editor.edit(said("It was twenty", channel=0))
    assert editor.edit(said("Twenty people.", channel=1)).text == "20 people."
    assert editor.edit(said("twenty people.", channel=0, index=1)).text == "twenty people."
