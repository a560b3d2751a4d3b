import pytest

from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.inference.quality import (
    Fault,
    ends_as_before,
    faults_in_full_window,
    faults_in_short_window,
    is_silence,
    repeats_at_end,
)
from batchscribe_engine.messages import DecodeOptions

SAID = "And so my fellow Americans ask not what your country can do for you."


def hypothesis(
    text: str = SAID,
    *,
    tokens: tuple[int, ...] = tuple(range(14)),
    avg_log_prob: float = -0.2,
    no_speech_prob: float = 0.0,
) -> Hypothesis:
    return Hypothesis(tokens, text, avg_log_prob, no_speech_prob, temperature=0.0)


def short(guess: Hypothesis, *, length_s: float = 5.0, language_prob: float = 1.0) -> frozenset[Fault]:
    return faults_in_short_window(
        guess, DecodeOptions(), length_s=length_s, token_limit=76, language_prob=language_prob
    )


def test_a_plain_result_is_trusted() -> None:
    assert short(hypothesis()) == frozenset()
    assert faults_in_full_window(hypothesis(), DecodeOptions(), token_limit=224) == frozenset()


@pytest.mark.parametrize(
    ("guess", "fault"),
    [
        (hypothesis("so far away, " * 10), Fault.REPETITIVE),
        (hypothesis("In all productions whatever they were, whatever they were."), Fault.REPETITIVE),
        (hypothesis(tokens=(9, 8, 1, 2, 3, 4, 1, 2, 3, 4)), Fault.REPETITIVE),
        (hypothesis(avg_log_prob=-0.9), Fault.IMPROBABLE),
        (hypothesis(tokens=tuple(range(76))), Fault.TOO_LONG),
        (hypothesis("And so"), Fault.TOO_SHORT),
        (hypothesis(""), Fault.TOO_SHORT),
    ],
)
def test_a_short_window_is_doubted(guess: Hypothesis, fault: Fault) -> None:
    assert short(guess) == {fault}


def test_an_unsure_language_is_doubted() -> None:
    assert short(hypothesis(), language_prob=0.4) == {Fault.LANGUAGE_UNSURE}


def test_a_word_alone_in_a_second_is_enough() -> None:
    assert short(hypothesis("Yes."), length_s=1.0) == frozenset()


@pytest.mark.parametrize(
    ("avg_log_prob", "no_speech_prob", "length_s", "silent"),
    [
        (-0.8, 0.7, 0.6, True),  # in a moment of sound the model must be surer of its text
        (-0.8, 0.7, 2.0, False),
        (-0.3, 0.9, 0.6, False),
        (-0.9, 0.3, 0.6, False),  # "five", as it is said
    ],
)
def test_a_moment_of_sound_is_silence_sooner(
    avg_log_prob: float, no_speech_prob: float, length_s: float, silent: bool
) -> None:
    guess = hypothesis("Oh, yes.", avg_log_prob=avg_log_prob, no_speech_prob=no_speech_prob)
    assert is_silence(guess, DecodeOptions(), length_s=length_s) is silent


def test_a_full_window_is_doubted_later_than_a_short_one() -> None:
    options = DecodeOptions()
    twice = hypothesis("whatever they were, whatever they were", tokens=(1, 2, 3, 4, 1, 2, 3, 4), avg_log_prob=-0.9)
    assert short(twice) == {Fault.REPETITIVE, Fault.IMPROBABLE}
    assert faults_in_full_window(twice, options, token_limit=224) == frozenset()
    looping = hypothesis(tokens=(1, 2, 3, 4) * 4, avg_log_prob=-1.1)
    assert faults_in_full_window(looping, options, token_limit=224) == {Fault.REPETITIVE, Fault.IMPROBABLE}


@pytest.mark.parametrize(
    ("tokens", "times"),
    [
        ([], 1),
        ([1], 1),
        ([1, 2, 3, 4, 5], 1),
        ([7, 1, 2, 3, 4, 1, 2, 3, 4], 2),
        ([7, 1, 2, 1, 2, 1, 2], 3),
        ([7, 5, 5], 1),  # said twice, as people do
        ([5] * 6, 6),
        ([1, 2, 3, 4, 1, 2, 3, 4, 9], 1),  # not at the end
    ],
)
def test_repetitions_at_the_end_are_counted(tokens: list[int], times: int) -> None:
    assert repeats_at_end(tokens) == times


@pytest.mark.parametrize(
    ("text", "repeated"),
    [
        ("an example of fine typography, that has an example of fine typography,", True),
        ("Ask not what your country can do for you, ask what you can do for your country.", False),
        ("", False),
        ("no no", False),
    ],
)
def test_an_ending_said_before_is_noticed(text: str, repeated: bool) -> None:
    assert ends_as_before(text) is repeated


@pytest.mark.parametrize(
    ("guess", "silent"),
    [
        (hypothesis(avg_log_prob=-1.2, no_speech_prob=0.8), True),
        (hypothesis(avg_log_prob=-0.2, no_speech_prob=0.95), False),  # a whole sentence
        (hypothesis(avg_log_prob=-1.2, no_speech_prob=0.2), False),
        (hypothesis("you", avg_log_prob=-0.4, no_speech_prob=0.95), True),
        (hypothesis("you", avg_log_prob=-0.4, no_speech_prob=0.7), False),
    ],
)
def test_silence_is_improbable_speech_or_next_to_none(guess: Hypothesis, silent: bool) -> None:
    assert is_silence(guess, DecodeOptions(), length_s=3.0) is silent


def test_a_short_answer_is_not_silence() -> None:
    assert not is_silence(hypothesis("Yes.", no_speech_prob=0.95), DecodeOptions(), length_s=0.8)


def test_repetition_compresses() -> None:
    assert hypothesis("").compression_ratio == 0.0
    assert hypothesis(SAID).compression_ratio < 1.5 < hypothesis(SAID * 5).compression_ratio
