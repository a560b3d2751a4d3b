"""Words parted from the marks that stand at them."""

# ruff: noqa: RUF001 - the marks of other scripts are meant
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.marks import AFTER_WORDS, BEFORE_WORDS
from batchscribe_server.domain.words import marked_word

MARKS = "".join(sorted(AFTER_WORDS | BEFORE_WORDS)) + ".-'"


@pytest.mark.parametrize(
    "word",
    [
        *("Dr.", "U.S.", "e.g.", "a.m.", "Ph.D.", "z.B.", "J.", "etc."),
        *("3.14", "10:30", "1,000", "$5", "10%", "C++", "C#", "AT&T", ".NET", "-5", "@home"),
        *("rock'n'roll", "O'Brien", "'em", "’cause", "'90s", "goin'", "dogs'", "wa-", "mother-in-law"),
        *("file(s)", "(s)he", "今天", "नमस्ते"),
    ],
)
def test_what_belongs_to_a_word_stays(word: str) -> None:
    assert marked_word(word).word == word


@pytest.mark.parametrize(
    ("text", "opening", "word", "closing"),
    [
        ("Hello,", [], "Hello", [","]),
        ('Hello."', [], "Hello", [".", '"']),
        ('"Hello"', ['"'], "Hello", ['"']),
        ("'Hello'", ["'"], "Hello", ["'"]),
        ("wait...", [], "wait", ["..."]),
        ("wait...?", [], "wait", ["...", "?"]),
        ("…and", ["…"], "and", []),
        ("U.S.,", [], "U.S.", [","]),
        ("3.14.", [], "3.14", ["."]),
        ("10%.", [], "10%", ["."]),
        ("I.", [], "I", ["."]),
        ("No.", [], "No", ["."]),
        ("(hello),", ["("], "hello", [")", ","]),
        ("(file(s))", ["("], "file(s)", [")"]),
        ("[laughs]", ["["], "laughs", ["]"]),
        ("¿Qué?!", ["¿"], "Qué", ["?", "!"]),
        ("«Да»,", ["«"], "Да", ["»", ","]),
        ("»Ja«", ["»"], "Ja", ["«"]),
        ("„Ja“", ["„"], "Ja", ["“"]),
        ("好，", [], "好", ["，"]),
        ("「はい」。", ["「"], "はい", ["」", "。"]),
        ("كيف؟", [], "كيف", ["؟"]),
        ("है।", [], "है", ["।"]),
        ("—Hola", ["—"], "Hola", []),
        ("well--", [], "well", ["--"]),
        ("-", [], "", ["-"]),
        ("...", [], "", ["..."]),
        ("", [], "", []),
    ],
)
def test_marks_are_parted_from_the_word(text: str, opening: list[str], word: str, closing: list[str]) -> None:
    marked = marked_word(text)
    assert (list(marked.opening), marked.word, list(marked.closing)) == (opening, word, closing)


@given(st.text(alphabet=st.one_of(st.sampled_from(MARKS), st.characters(categories=["L", "N", "S", "P"])), max_size=12))
def test_the_parts_are_the_text_again(text: str) -> None:
    marked = marked_word(text)
    assert "".join((*marked.opening, marked.word, *marked.closing)) == text
    assert all((*marked.opening, *marked.closing))
