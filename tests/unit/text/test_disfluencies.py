"""Fillers, repetitions and broken-off words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.recognition import RecognitionConfig
from tests.edited_segments import edited, said, words_of

CONFIG = RecognitionConfig(disfluency_removal=True)


@pytest.mark.parametrize(
    ("language", "heard", "left"),
    [
        ("en", "Um, I think so.", "I think so."),
        ("en", "I, um, think so.", "I think so."),
        ("en", "I want. Um. Go on.", "I want. Go on."),
        ("en", "That is the word, uh.", "That is the word."),
        ("en", "Um. Uh. I see.", "I see."),
        ("en", "Uh, so we go.", "So we go."),
        ("en", "Um, uh, er, hmm.", ""),
        ("en", "The the dog and, and the cat", "The dog and the cat"),
        ("en", "I I, um, I think", "I think"),
        ("en", "A a man and a a dog", "A man and a dog"),
        ("en", "Take th- the thing", "Take the thing"),
        ("de", "Äh, ich ich glaube, ähm, ja.", "Ich glaube ja."),
        ("fr", "Euh, je je pense", "Je pense"),
        ("ja", "えーと、今日は", "今日は"),
        # What is meant stays.
        ("en", "Uh-huh, it was very very good. No, no!", "Uh-huh, it was very very good. No, no!"),
        ("en", "Call five five two two, S S N.", "Call five five two two, S S N."),
        ("en", "An A A A battery, or A, A, then B.", "An A A A battery, or A, A, then B."),
        ("en", "It is 5 mm wide, in the ER.", "It is 5 mm wide, in the ER."),
        ("en", "What it is is that I gave her her book.", "What it is is that I gave her her book."),
        ("en", "I know what it was. Was it?", "I know what it was. Was it?"),
        ("de", "Es geht um die Leute, die die Arbeit machen.", "Es geht um die Leute, die die Arbeit machen."),
        ("xx", "um, the the", "um, the the"),
    ],
)
def test_what_is_said_while_thinking_is_left_out(language: str, heard: str, left: str) -> None:
    after = edited(said(heard, language), CONFIG)
    assert after.text == left
    if language != "ja":
        assert words_of(after) == left


@given(st.lists(st.sampled_from(["um", "uh,", "Um.", "I", "the,", "the", "dog.", "er", "-", "no,"]), max_size=12))
def test_punctuation_stays_sound_whatever_goes(words: list[str]) -> None:
    after = edited(said(" ".join(words)), CONFIG)
    assert words_of(after) == after.text
    assert after.text == " ".join(after.text.split())
    assert not any(sign in f"{after.text} " for sign in (" ,", " . ", ",,", ",."))
    assert edited(after, CONFIG).text == after.text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "When I saw it it was red."),
        ("en", "What it was was a dream, and what they were were dreams."),
        ("en", "The man I spoke to to find out, and what it's for for now."),
        ("en", "I mean it, you know, like a lot."),
        ("en", "I know that that is well, well said."),
        ("en", "Who we are are friends, and this this is for you you know."),
        ("de", "Wie es ist ist gut, und wie es war war besser."),
        ("de", "Mach mit mit uns, hör auf auf ihn zu hören, mach zu zu Hause."),
        ("de", "Wenn es es gibt, die die das sagen."),
        ("nl", "Wat het is is goed, als ik het het beste vind, kom op op tijd."),
        ("es", "El coche para para cargar, nos la la enseñan."),
        ("pt", "Se se puder, ele para para ver."),
        ("fr", "Nous nous voyons, vous vous levez."),
    ],
)
def test_words_that_are_doubled_for_a_reason_stay(language: str, words: str) -> None:
    assert edited(said(words, language), RecognitionConfig(disfluency_removal=True)).text == words
