import itertools
import unicodedata

import numpy as np
import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from batchscribe_engine.inference.words import Alignment, quiet_frames, timed_words, whole_clusters, without_pauses
from batchscribe_engine.messages import Word

LOUD = np.zeros((1, 3000), dtype=np.float32)
"""Features of a sound that is as loud everywhere, so that nothing tells where words meet."""


def path(*first_frames: int) -> list[tuple[int, int]]:
    """A warping path in which each token begins at its frame; the last is the end of the text."""
    ends = (*first_frames[1:], first_frames[-1] + 1)
    return [
        (token, frame)
        for token, (start, end) in enumerate(zip(first_frames, ends, strict=True))
        for frame in range(start, max(end, start + 1))
    ]


def test_words_take_their_tokens_times_and_mean_probability() -> None:
    alignment = Alignment(path(0, 10, 15, 30), [0.9, 0.6, 0.8])
    assert timed_words([" Good", " morning"], [[1], [2, 3]], alignment, LOUD, 2000) == (
        Word("Good", 0, 320, 0.9),
        Word("morning", 320, 600, 0.7),
    )


def test_punctuation_joins_the_word_it_belongs_to() -> None:
    alignment = Alignment(path(0, 5, 10, 15, 20, 25, 30, 35), [1.0] * 7)
    words = timed_words(
        [" He", " said", ",", ' "', "yes", ".", '"'], [[1], [2], [3], [4], [5], [6], [7]], alignment, LOUD, 2000
    )
    assert [(word.text, word.start_ms, word.end_ms) for word in words] == [
        ("He", 0, 150),
        ("said,", 150, 200),
        ('"yes."', 400, 500),
    ]


def test_times_end_with_the_segment() -> None:
    alignment = Alignment(path(0, 40, 60), [1.0, 1.0])
    assert [(word.start_ms, word.end_ms) for word in timed_words([" a", " b"], [[1], [2]], alignment, LOUD, 900)] == [
        (0, 850),
        (850, 900),
    ]


def test_a_text_without_words_has_none() -> None:
    assert timed_words([], [], Alignment([(0, 0)], []), LOUD, 900) == ()


def with_dips(*dips: tuple[slice, float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    mel = np.zeros((1, 3000), dtype=np.float32)
    for frames, depth in dips:
        mel[0, frames] = -depth
    return mel


@pytest.mark.parametrize(
    ("mel", "end_ms", "start_ms"),
    [
        (with_dips((slice(28, 36), 0.5)), 280, 360),
        (with_dips((slice(28, 36), 0.1)), 320, 320),  # not deep enough
        (with_dips((slice(60, 70), 0.5)), 320, 320),  # too late
        (with_dips((slice(2, 8), 0.5)), 320, 320),  # within the word before
    ],
)
def test_words_meet_in_the_quietest_moment_near_the_alignments(
    mel: np.ndarray[tuple[int, int], np.dtype[np.float32]], end_ms: int, start_ms: int
) -> None:
    good, morning = timed_words([" Good", " morning"], [[1], [2]], Alignment(path(0, 10, 40), [1.0] * 2), mel, 2000)
    assert good.end_ms == pytest.approx(end_ms, abs=20)
    assert morning.start_ms == pytest.approx(start_ms, abs=20)
    assert (good.start_ms, morning.end_ms) == (0, 800)


def test_the_last_word_ends_where_its_sound_does() -> None:
    mel = with_dips((slice(50, 3000), 1.5))
    (word,) = timed_words([" Good"], [[1]], Alignment(path(0, 20), [1.0]), mel, 30_000)
    assert word.end_ms == 500


@given(st.lists(st.integers(0, 80), min_size=2, max_size=20), st.integers(0, 2000), st.integers(0, 2**32 - 1))
def test_times_never_run_backwards_nor_leave_the_segment(frames: list[int], length_ms: int, seed: int) -> None:
    frames = sorted(frames)
    sound = np.random.default_rng(seed).uniform(-2, 0, (2, 1 + length_ms // 10)).astype(np.float32)
    words = timed_words(
        [f" w{number}" for number in range(len(frames) - 1)],
        [[number] for number in range(len(frames) - 1)],
        Alignment(path(*frames), [0.5] * (len(frames) - 1)),
        sound,
        length_ms,
    )
    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert len(words) == len(frames) - 1
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= length_ms


@pytest.mark.parametrize(
    ("quiet", "start_ms", "end_ms"),
    [
        (slice(0, 0), 0, 1000),
        (slice(0, 15), 0, 1000),  # too short for a pause
        (slice(0, 60), 550, 1000),
        (slice(70, 100), 0, 750),
        (slice(20, 80), 0, 1000),  # within the word
        (slice(0, 100), 0, 1000),  # nothing tells where the word is
    ],
)
def test_a_pause_is_taken_off_a_words_ends(quiet: slice, start_ms: int, end_ms: int) -> None:
    frames = np.zeros(120, dtype=np.bool_)
    frames[quiet] = True
    assert without_pauses(0, 1000, frames) == (start_ms, end_ms)


def test_quiet_is_40_db_below_the_peak() -> None:
    mel = np.array([[1.2, 0.3, -0.7], [0.0, -0.7, 0.25]], dtype=np.float32)
    np.testing.assert_array_equal(quiet_frames(mel), [False, False, False])
    mel[1, 2] = 0.1
    np.testing.assert_array_equal(quiet_frames(mel), [False, False, True])


@pytest.mark.parametrize(
    ("texts", "whole"),
    [
        (["\u0915\u094d", "\u0937"], ["\u0915\u094d\u0937"]),  # a Devanagari conjunct
        (["\U0001f468\u200d", "\U0001f469"], ["\U0001f468\u200d\U0001f469"]),  # emoji, joined
        (["\u1019", "\u102c"], ["\u1019\u102c"]),  # a Burmese vowel, which is no part of a cluster
        (["e", "\u0301", "a"], ["e\u0301", "a"]),
        ([" \u0e01", " \u0e31", "\u0e02"], [" \u0e01 \u0e31", "\u0e02"]),
    ],
)
def test_what_is_written_as_one_is_one_word(texts: list[str], whole: list[str]) -> None:
    assert [text for text, _ in whole_clusters(texts, [[0]] * len(texts))] == whole


def test_a_tone_mark_is_no_word_of_its_own() -> None:
    alignment = Alignment(path(0, 10, 20, 30), [0.9, 0.5, 0.8])
    words = timed_words(["\u0e17", "\u0e35\u0e48", "\u0e19"], [[1], [2], [3]], alignment, LOUD, 2000)
    assert [word.text for word in words] == ["\u0e17\u0e35\u0e48", "\u0e19"]
    assert words[0].probability == pytest.approx(0.7)
    assert (words[0].start_ms, words[1].start_ms) == (0, words[0].end_ms)


@example(["e", " ", "\u0301"])
@given(
    st.lists(
        st.text(
            "\u0e01\u0e31\u0e48\u0e33 \u0ea5\u0ebb\u1780\u17b6\u1019\u102c\u103a\u0915\u093f"
            "\u0627\u064e\u05e9\u05c1e\u0301\u304b\u3099\u6f22\U0001f468\u200d\U0001f3fd\ufe0f\U0001f1e9\u1112\u1161\u11ab",
            min_size=1,
            max_size=3,
        ),
        max_size=12,
    )
)
def test_no_word_begins_within_a_cluster_or_with_a_mark_and_no_token_is_lost(texts: list[str]) -> None:
    tokens = [[number] for number in range(len(texts))]
    joined = whole_clusters(texts, tokens)
    assert "".join(text for text, _ in joined) == "".join(texts)
    assert [token for _, its_tokens in joined for token in its_tokens] == list(range(len(texts)))
    clusters = regex.findall(r"\X", "".join(texts))
    ends = set(itertools.accumulate(map(len, clusters)))
    assert set(itertools.accumulate(len(text) for text, _ in joined)) <= ends
    for text, _ in joined[1:]:
        assert not text.strip() or not unicodedata.category(text.strip()[0]).startswith("M")
