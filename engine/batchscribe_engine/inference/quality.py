"""Does a result look wrong? Pure checks on text, tokens and probabilities.

Two kinds of trouble are told apart. A short window may make the model repeat the last words or stop early: cheap to
suspect, as the answer is one more decoding in a full window. And any window may make it loop or guess: that is heated,
as in Whisper's own decoding (Radford et al. 2022, section 4.5), at up to five more decodings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from batchscribe_engine.inference.hypothesis import Hypothesis
from batchscribe_engine.messages import DecodeOptions, SegmentResult

SHORT_COMPRESSION_RATIO = 2.0
"""In a short window suspicion begins earlier than `DecodeOptions.compression_ratio_threshold`."""

SHORT_LOG_PROB = -0.7
"""Likewise for the average log probability."""

MIN_CHARACTERS_PER_S = 3.0
"""Less text than this, and the model may have stopped early. Slow English speech has about 8."""

SURE_OF_LANGUAGE = 0.5
"""A detected language less probable than this is looked at again with the full window."""

SURE_OF_SILENCE = 0.85
"""The probability of no speech from which little text is taken for none."""


BRIEF_S = 1.0
"""Segments up to this long may hold a single word."""

UNSURE_OF_SPEECH = 0.4
"""The probability of no speech from which text that the prompt holds is doubted: of spoken words it is below that."""


class Fault(StrEnum):
    """Why a result is not trusted, or not used: the words are those of `SegmentResult.doubts`."""

    REPETITIVE = "repetitive"
    IMPROBABLE = "improbable"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    STOPPED_EARLY = "stopped_early"
    LANGUAGE_UNSURE = "language_unsure"
    REPEATS_HINTS = "repeats_hints"
    SILENCE = "silence"


def faults_in_short_window(
    hypothesis: Hypothesis, options: DecodeOptions, *, length_s: float, token_limit: int, language_prob: float
) -> frozenset[Fault]:
    """What speaks against a result from a short window."""
    faults = set()
    ratio = min(SHORT_COMPRESSION_RATIO, options.compression_ratio_threshold)
    if hypothesis.compression_ratio > ratio or repeats_at_end(hypothesis.tokens) > 1 or ends_as_before(hypothesis.text):
        faults.add(Fault.REPETITIVE)
    if hypothesis.avg_log_prob < max(SHORT_LOG_PROB, options.log_prob_threshold):
        faults.add(Fault.IMPROBABLE)
    if len(hypothesis.tokens) >= token_limit:
        faults.add(Fault.TOO_LONG)
    if is_sparse(hypothesis.text, length_s):
        faults.add(Fault.TOO_SHORT)
    if language_prob < SURE_OF_LANGUAGE:
        faults.add(Fault.LANGUAGE_UNSURE)
    return frozenset(faults)


def faults_in_full_window(hypothesis: Hypothesis, options: DecodeOptions, *, token_limit: int) -> frozenset[Fault]:
    """What speaks against a result from a full window: enough to try a higher temperature."""
    faults = set()
    if hypothesis.compression_ratio > options.compression_ratio_threshold or repeats_at_end(hypothesis.tokens) > 3:
        faults.add(Fault.REPETITIVE)
    if hypothesis.avg_log_prob < options.log_prob_threshold:
        faults.add(Fault.IMPROBABLE)
    if len(hypothesis.tokens) >= token_limit:
        faults.add(Fault.TOO_LONG)
    return frozenset(faults)


def is_silence(hypothesis: Hypothesis, options: DecodeOptions, *, length_s: float) -> bool:
    """Nothing was said: the model thinks so, and is unsure of the text that it gave nevertheless.

    In silence it often says a word or two, and is sure of them ("you", "Thank you."): little text for the segment's
    length counts as unsure too, where the model is all but certain that nobody speaks. Of a brief segment the length
    of the text tells nothing: there the model must be surer of its text.
    """
    if hypothesis.no_speech_prob <= options.no_speech_threshold:
        return False
    if length_s <= BRIEF_S:
        return hypothesis.avg_log_prob < max(SHORT_LOG_PROB, options.log_prob_threshold)
    sure = hypothesis.no_speech_prob > max(SURE_OF_SILENCE, options.no_speech_threshold)
    return hypothesis.avg_log_prob < options.log_prob_threshold or (sure and is_sparse(hypothesis.text, length_s))


def may_be_silence(hypothesis: Hypothesis, options: DecodeOptions) -> bool:
    """Whether a short window's text is so doubtful that only a full window can tell whether anything was said."""
    is_improbable = hypothesis.avg_log_prob < max(SHORT_LOG_PROB, options.log_prob_threshold)
    return is_improbable and hypothesis.no_speech_prob > options.no_speech_threshold


def may_repeat_hints(result: SegmentResult, hints: Sequence[str], *, length_s: float) -> bool:
    """Whether the text may come from what the model was told to expect rather than from the sound.

    It is a part of one of the hints, and little speaks for it: a prompt makes a model sure of its words in any noise.
    """
    said = _words(result.text)
    if not said or not any(_holds(_words(hint), said) for hint in hints):
        return False
    is_weak = result.avg_log_prob < SHORT_LOG_PROB or result.no_speech_prob > UNSURE_OF_SPEECH
    return is_weak or is_sparse(result.text, length_s)


def is_sparse(text: str, length_s: float) -> bool:
    """Whether the text is too little for speech of this length; a word alone in a second is not."""
    return length_s > BRIEF_S and len(text) < MIN_CHARACTERS_PER_S * length_s


def has_words(text: str) -> bool:
    """Whether the text says anything: a model writes marks alone ("...") where nobody speaks."""
    return any(char.isalnum() for char in text)


def repeats_at_end(tokens: Sequence[int], min_tokens: int = 4) -> int:
    """How many times the sequence says its last phrase, one after the other; 1 when it does not repeat itself.

    A phrase counts as repeated when the repetitions have at least `min_tokens` tokens in all, so "no, no" is nothing.
    """
    most = 1
    for length in range(1, len(tokens) // 2 + 1):
        phrase = tokens[-length:]
        count = 1
        while tokens[-(count + 1) * length : -count * length] == phrase:
            count += 1
        if (count - 1) * length >= min_tokens:
            most = max(most, count)
    return most


def ends_as_before(text: str, words: int = 3) -> bool:
    """Whether the last few words were said before: "…a fine example, that is a fine example." """
    heard = _words(text)
    ending = heard[-words:]
    return len(ending) == words and any(heard[start : start + words] == ending for start in range(len(heard) - words))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _holds(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether the words hold the part, one word after the other."""
    return any(words[start : start + len(part)] == part for start in range(len(words) - len(part) + 1))
