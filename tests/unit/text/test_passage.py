"""Text and words are edited as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batchscribe_server.domain.transcript import Segment, Word
from batchscribe_server.text.passage import Edit, edited, settled
from tests.edited_segments import said, words_of


def times(segment: Segment) -> list[tuple[str, int, int]]:
    return [(word.text, word.start_ms, word.end_ms) for word in segment.words]


def test_words_that_become_one_last_as_long_as_they_did() -> None:
    after = edited(said("all of forty one, there"), [Edit(7, 16, "41")])
    assert after.text == "all of 41, there"
    assert times(after) == [("all", 0, 400), ("of", 500, 900), ("41,", 1_000, 1_900), ("there", 2_000, 2_400)]


def test_a_word_that_becomes_several_is_shared_out() -> None:
    after = edited(said("the kubectl tool"), [Edit(4, 11, "cube ctl abc")])
    assert times(after) == [
        ("the", 0, 400),
        ("cube", 500, 660),
        ("ctl", 660, 780),
        ("abc", 780, 900),
        ("tool", 1_000, 1_400),
    ]


def test_a_word_that_goes_leaves_no_space_and_no_word() -> None:
    after = edited(said("so um yes"), [Edit(3, 5)])
    assert (after.text, words_of(after)) == ("so yes", "so yes")
    assert edited(said("um"), [Edit(0, 2)]).words == ()


def test_words_without_spaces_between_keep_their_own_times() -> None:
    words = (Word("東", 0, 100, 0.5), Word("京は", 100, 300, 0.5))
    after = edited(Segment(0, 0, 300, "東京は", "ja", words=words), [Edit(0, 1, "X")])
    assert after.text == "X京は"
    assert times(after) == [("X", 0, 100), ("京は", 100, 300)]


def test_a_segment_without_words_is_edited_all_the_same() -> None:
    assert edited(replace(said("so um yes"), words=()), [Edit(2, 5)]).text == "so yes"


def test_a_text_that_its_words_do_not_say_is_taken_from_them() -> None:
    segment = replace(said("my card is 4111"), text="my card")
    assert settled(segment).text == "my card is 4111"
    assert settled(replace(segment, text="my card is 4111 and 22")).text == "my card is 4111"
    assert settled(said("my card")) == said("my card")


@given(st.lists(st.sampled_from(["one", "two,", "three."]), min_size=1, max_size=6), st.data())
def test_the_text_is_what_the_words_say_and_times_never_run_backwards(words: list[str], data: st.DataObject) -> None:
    segment = said(" ".join(words))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(segment.text)), max_size=6)))
    texts = st.sampled_from(["", "x", " ", "a b", "a b c d"])
    after = edited(segment, [Edit(a, b, data.draw(texts)) for a, b in list(pairwise(cuts))[::2]])
    assert "".join(word.text for word in after.words) == after.text.replace(" ", "")
    assert settled(after) == after
    assert all(a.start_ms <= a.end_ms <= b.start_ms for a, b in pairwise(after.words))
