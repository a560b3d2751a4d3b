import numpy as np
import pytest

from batchscribe_engine.inference.encoded_window import Utterance
from batchscribe_engine.inference.rest import has_few_tokens, joined, rest_of, rest_start_frame
from batchscribe_engine.messages import SegmentResult, SegmentTask, Word

LOUD, QUIET = 1.0, -0.8


def features(*spans: tuple[float, float]) -> np.ndarray:
    """Log-mel features of spans of (seconds, loudness)."""
    levels = np.concatenate([np.full(round(100 * seconds), level, np.float32) for seconds, level in spans])
    return np.tile(levels, (80, 1))


TWO_VOICES = features((3.0, LOUD), (0.4, QUIET), (5.0, LOUD), (0.6, QUIET))


def tokens(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def test_few_tokens_are_few_for_the_sound_and_not_for_the_silence() -> None:
    assert has_few_tokens(tokens(12), TWO_VOICES)
    assert not has_few_tokens(tokens(30), TWO_VOICES)
    assert not has_few_tokens(tokens(12), features((3.0, LOUD), (6.0, QUIET)))


def test_no_text_at_all_is_no_text_that_stopped() -> None:
    assert not has_few_tokens((), TWO_VOICES)


def test_the_rest_begins_in_the_pause_after_the_last_word() -> None:
    start = rest_start_frame(2600, TWO_VOICES)
    assert start is not None
    assert 300 <= start <= 340


def test_without_a_pause_the_rest_begins_where_it_is_quietest() -> None:
    mel = features((3.0, LOUD), (0.2, LOUD - 0.3), (5.0, LOUD))
    start = rest_start_frame(2600, mel)
    assert start is not None
    assert 300 <= start <= 320


@pytest.mark.parametrize(
    ("last_word_start_ms", "mel"),
    [
        pytest.param(2600, features((3.0, LOUD), (6.0, QUIET)), id="silence after the last word"),
        pytest.param(5500, TWO_VOICES, id="the last word near the end"),
        pytest.param(7900, features((8.0, LOUD)), id="the last word at the end"),
    ],
)
def test_hardly_any_speech_after_the_last_word_is_no_rest(last_word_start_ms: int, mel: np.ndarray) -> None:
    assert rest_start_frame(last_word_start_ms, mel) is None


def test_the_rest_of_an_utterance_is_its_sound_from_there_on() -> None:
    task = SegmentTask(7, 3, 5, samples=9 * 16_000 - 40, prompt="Before.")
    rest = rest_of(Utterance(task, TWO_VOICES), 320, "en")

    assert rest.task == SegmentTask(7, 3, 5, samples=task.samples - 320 * 160, language="en", prompt="Before.")
    assert rest.mel.shape == (80, 580)


def test_what_is_joined_tells_both_and_keeps_time() -> None:
    first = SegmentResult(7, "Good morning.", (Word("morning.", 500, 900, 0.9),), "en", avg_log_prob=-0.1)
    rest = SegmentResult(
        7, "Good evening.", (Word("evening.", 400, 800, 0.8),), "en", avg_log_prob=-0.3, doubts=(("short", "too_long"),)
    )
    both = joined(first, rest, 320, "transcribe")

    assert both.text == "Good morning. Good evening."
    assert both.words == (Word("morning.", 500, 900, 0.9), Word("evening.", 3600, 4000, 0.8))
    assert both.avg_log_prob == pytest.approx(-0.2)
    assert both.doubts == (("short", "stopped_early"), ("short", "too_long"))


def test_a_rest_without_words_leaves_the_text_as_it_was() -> None:
    first = SegmentResult(7, "Good morning.", language="en", avg_log_prob=-0.1)
    both = joined(first, SegmentResult(7, "", avg_log_prob=-2.0, doubts=(("full", "silence"),)), 320, "transcribe")

    assert (both.text, both.avg_log_prob) == ("Good morning.", -0.1)
    assert both.doubts == (("short", "stopped_early"), ("full", "silence"))


@pytest.mark.parametrize(
    ("language", "task", "text"),
    [("ja", "transcribe", "一二三四"), ("yue", "transcribe", "一二三四"), ("ja", "translate", "一二 三四")],
)
def test_texts_are_parted_as_words_are_in_the_language_they_are_written_in(language: str, task: str, text: str) -> None:
    first, rest = (SegmentResult(7, each, language=language) for each in ("一二", "三四"))
    assert joined(first, rest, 320, task).text == text
