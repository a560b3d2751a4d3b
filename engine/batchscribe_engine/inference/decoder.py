"""How a segment gets its text: a short window, longer ones where the result looks wrong, then higher temperatures.

A full window costs as much as five short ones, so a somewhat longer one is tried before it: it settles most doubts.
Where the text ends long before the speech does, whatever the window, the rest is heard by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from batchscribe_engine.inference.encoded_window import EncodedWindow, Language, Utterance
from batchscribe_engine.inference.quality import (
    Fault,
    faults_in_full_window,
    faults_in_short_window,
    has_words,
    is_silence,
    may_be_silence,
    may_repeat_hints,
)
from batchscribe_engine.inference.rest import has_few_tokens, joined, rest_of, rest_start_frame
from batchscribe_engine.inference.windows import (
    FULL_WINDOW_FRAMES,
    MAX_NEW_TOKENS,
    portions,
    token_limit,
    window_frames,
)
from batchscribe_engine.messages import DecodeOptions, SegmentResult, Word

if TYPE_CHECKING:
    from batchscribe_engine.inference.hypothesis import Hypothesis
    from batchscribe_engine.inference.whisper import Whisper

LONGER_S = 4.0
"""How much longer the second window is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A hypothesis, how it came about ("short", "long", "full" or "fallback": see `SegmentResult.decoding`), and what
    the checks found wrong with it.
    """

    hypothesis: Hypothesis
    language: Language
    decoding: str
    faults: frozenset[Fault] = frozenset()


@dataclass(frozen=True, slots=True)
class Heard:
    """A result, and the frame from which on its segment has speech that is not in it, where there is such."""

    result: SegmentResult
    rest_start_frame: int | None


class Decoder:
    """Decodes utterances with one model and one set of options; keeps nothing between calls."""

    def __init__(self, whisper: Whisper, options: DecodeOptions, window_margin_s: float | None) -> None:
        self._whisper = whisper
        self._options = options
        self._margin_s = window_margin_s

    def transcribe(self, utterances: Sequence[Utterance]) -> list[SegmentResult]:
        """A result for each utterance, in their order. Raises OutOfMemoryError."""
        heard = self._without_repeated_hints(utterances, self._hear(utterances))
        results = [each.result for each in heard]
        starts = {index: each.rest_start_frame for index, each in enumerate(heard) if each.rest_start_frame is not None}
        if starts:
            rests = [rest_of(utterances[index], start, results[index].language) for index, start in starts.items()]
            # Which may stop early in their turn; each is shorter than what it is the rest of.
            for (index, start), rest in zip(starts.items(), self.transcribe(rests), strict=True):
                results[index] = joined(results[index], rest, start, self._options.task)
        return results

    def _without_repeated_hints(self, utterances: Sequence[Utterance], heard: Sequence[Heard]) -> list[Heard]:
        """What was heard, but for text that is of the hints, where without hints nothing is heard at all."""
        checked = list(heard)
        doubted = [
            index
            for index, (utterance, each) in enumerate(zip(utterances, heard, strict=True))
            if may_repeat_hints(each.result, self._hints(utterance), length_s=utterance.length_s)
        ]
        if not doubted:
            return checked
        options = msgspec.structs.replace(
            self._options, initial_prompt="", hotwords="", temperatures=self._options.temperatures[:1], word_times=False
        )
        plain = [
            replace(
                utterances[index],
                task=msgspec.structs.replace(utterances[index].task, prompt="", language=heard[index].result.language),
            )
            for index in doubted
        ]
        for index, again in zip(doubted, Decoder(self._whisper, options, None).transcribe(plain), strict=True):
            if not again.text:
                before = heard[index].result
                doubts = (*before.doubts, (before.decoding, Fault.REPEATS_HINTS.value), *again.doubts)
                kept = msgspec.structs.replace(again, language_candidates=before.language_candidates, doubts=doubts)
                checked[index] = Heard(kept, None)
        return checked

    def _hints(self, utterance: Utterance) -> tuple[str, ...]:
        return tuple(
            hint for hint in (self._options.initial_prompt, self._options.hotwords, utterance.task.prompt) if hint
        )

    def _hear(self, utterances: Sequence[Utterance]) -> list[Heard]:
        results: dict[int, Heard] = {}
        doubted: dict[int, list[Attempt]] = {index: [] for index in range(len(utterances))}
        for decoding, margin_s in self._shorter_windows():
            for portion, frames in self._portions(utterances, doubted, margin_s):
                window = self._encode(utterances, portion, frames)
                earlier = [doubted[index] for index in portion]
                for index, outcome in zip(portion, self._in_shorter_window(window, decoding, earlier), strict=True):
                    if isinstance(outcome, Heard):
                        results[index] = outcome
                        del doubted[index]
                    else:
                        doubted[index].append(outcome)
        for portion, frames in self._portions(utterances, doubted, None):
            with self._whisper.second_decoding if self._margin_s is not None else nullcontext():
                window = self._encode(utterances, portion, frames)
                full = self._in_full_window(window, [doubted[index] for index in portion])
                del window  # its work space goes before the next one may begin
            results.update(zip(portion, full, strict=True))
        return [results[index] for index in range(len(utterances))]

    def _shorter_windows(self) -> tuple[tuple[str, float], ...]:
        if self._margin_s is None:
            return ()
        return ("short", self._margin_s), ("long", self._margin_s + LONGER_S)

    def _portions(
        self, utterances: Sequence[Utterance], indices: Iterable[int], margin_s: float | None
    ) -> Iterator[tuple[list[int], list[int]]]:
        """Divide utterances into portions to be decoded together, each with its windows' lengths in frames.

        Those that need a full window at this margin are left out, unless full windows are asked for.
        """
        frames = {index: window_frames(utterances[index].task.samples, margin_s) for index in indices}
        if margin_s is not None:
            frames = {index: length for index, length in frames.items() if length < FULL_WINDOW_FRAMES}
        wanted = list(frames)
        for portion in portions([frames[index] for index in wanted], self._whisper.work_space.decoder_frames):
            chosen = [wanted[place] for place in portion]
            yield chosen, [frames[index] for index in chosen]

    def _encode(self, utterances: Sequence[Utterance], portion: Sequence[int], frames: Sequence[int]) -> EncodedWindow:
        return EncodedWindow(self._whisper, self._options, [utterances[index] for index in portion], frames)

    def _in_shorter_window(
        self, window: EncodedWindow, decoding: str, earlier: Sequence[Sequence[Attempt]]
    ) -> list[Heard | Attempt]:
        """A result for each row, or the attempt whose outcome looks wrong; `earlier` are those in shorter windows."""
        limits = [
            token_limit(utterance.task.samples, language.code)
            for utterance, language in zip(window.utterances, window.languages, strict=True)
        ]
        attempts = [
            replace(attempt, faults=self._doubts(attempt, window.utterances[row].length_s, limits[row]))
            for row, attempt in enumerate(
                self._attempts(window, range(len(limits)), self._options.temperatures[0], max(limits), decoding)
            )
        ]
        good = [row for row, each in enumerate(attempts) if not each.faults or self._confirms(each, earlier[row])]
        chosen = [attempts[row] for row in good]
        tried = [[*earlier[row], attempts[row]] for row in good]
        outcomes: list[Heard | Attempt] = list(attempts)
        for row, result in zip(good, self._results(window, good, chosen, tried), strict=True):
            outcomes[row] = result
        return outcomes

    def _doubts(self, attempt: Attempt, length_s: float, limit: int) -> frozenset[Fault]:
        return faults_in_short_window(
            attempt.hypothesis,
            self._options,
            length_s=length_s,
            token_limit=limit,
            language_prob=attempt.language.probability,
        )

    def _confirms(self, attempt: Attempt, earlier: Sequence[Attempt]) -> bool:
        """Whether a longer window made no difference: then it is not the window that makes the result look wrong."""
        if may_be_silence(attempt.hypothesis, self._options):
            return False
        same = any(before.hypothesis.text == attempt.hypothesis.text for before in earlier)
        # What was cut off at the limit of tokens is not whole, however often.
        return same and Fault.TOO_LONG not in attempt.faults and not self._faults(attempt)

    def _in_full_window(self, window: EncodedWindow, earlier: Sequence[Sequence[Attempt]]) -> list[Heard]:
        """A result for each row; `earlier` are the doubted attempts in shorter windows, where there were any."""
        rows = list(range(len(window.utterances)))
        attempts = [list(before) for before in earlier]
        settled: dict[int, Attempt] = {}
        for number, temperature in enumerate(self._options.temperatures):
            decoding = "fallback" if number else "full"
            latest = self._attempts(window, rows, temperature, MAX_NEW_TOKENS, decoding)
            for row, attempt in zip(rows, latest, strict=True):
                checked = replace(attempt, faults=self._faults(attempt))
                attempts[row].append(checked)
                if self._is_silence(window, row, checked) or not checked.faults:
                    settled[row] = checked
            rows = [row for row in rows if row not in settled]
            if not rows:
                break
        chosen = [settled.get(row) or max(tried, key=self._merit) for row, tried in enumerate(attempts)]
        return self._results(window, range(len(chosen)), chosen, attempts)

    def _attempts(
        self, window: EncodedWindow, rows: Sequence[int], temperature: float, max_new_tokens: int, decoding: str
    ) -> list[Attempt]:
        hypotheses = window.decode(rows, temperature=temperature, max_new_tokens=max_new_tokens)
        return [
            Attempt(hypothesis, window.languages[row], decoding)
            for row, hypothesis in zip(rows, hypotheses, strict=True)
        ]

    def _is_silence(self, window: EncodedWindow, row: int, attempt: Attempt) -> bool:
        return is_silence(attempt.hypothesis, self._options, length_s=window.utterances[row].length_s)

    def _faults(self, attempt: Attempt) -> frozenset[Fault]:
        return faults_in_full_window(attempt.hypothesis, self._options, token_limit=MAX_NEW_TOKENS)

    def _merit(self, attempt: Attempt) -> tuple[bool, float]:
        # A loop is very sure of itself, so the probability counts only among those that don't loop.
        looping = self._faults(attempt) & {Fault.REPETITIVE, Fault.TOO_LONG}
        return not looping, attempt.hypothesis.avg_log_prob

    def _results(
        self,
        window: EncodedWindow,
        rows: Sequence[int],
        attempts: Sequence[Attempt],
        tried: Sequence[Sequence[Attempt]],
    ) -> list[Heard]:
        """The results of these rows: each from its attempt, with the doubts of all that were `tried` for it."""
        silent = [
            self._is_silence(window, row, attempt)
            or bool(attempt.hypothesis.text and not has_words(attempt.hypothesis.text))
            for row, attempt in zip(rows, attempts, strict=True)
        ]
        mels = [window.utterances[row].mel for row in rows]
        thin = [has_few_tokens(each.hypothesis.tokens, mel) for each, mel in zip(attempts, mels, strict=True)]
        words: list[tuple[Word, ...]] = [()] * len(rows)
        aligned = [
            place for place in range(len(rows)) if not silent[place] and (self._options.word_times or thin[place])
        ]
        if aligned:
            found = window.words(
                [rows[place] for place in aligned],
                [attempts[place].hypothesis for place in aligned],
                [attempts[place].language.code for place in aligned],
            )
            for place, its_words in zip(aligned, found, strict=True):
                words[place] = its_words
        checked = [
            place
            for place, row in enumerate(rows)
            if not silent[place] and _is_checked(window.utterances[row], tried[place])
        ]
        candidates = [attempt.language.candidates for attempt in attempts]
        for place, likeliest in zip(
            checked, window.likeliest_languages([rows[place] for place in checked]), strict=True
        ):
            candidates[place] = likeliest
        return [
            Heard(
                SegmentResult(
                    segment_id=window.utterances[row].task.segment_id,
                    text="" if silent[place] else attempts[place].hypothesis.text,
                    words=words[place] if self._options.word_times else (),
                    language=attempts[place].language.code,
                    language_candidates=candidates[place],
                    avg_log_prob=attempts[place].hypothesis.avg_log_prob,
                    no_speech_prob=attempts[place].hypothesis.no_speech_prob,
                    compression_ratio=attempts[place].hypothesis.compression_ratio,
                    temperature=attempts[place].hypothesis.temperature,
                    decoding=attempts[place].decoding,
                    doubts=_doubts(tried[place], attempts[place] if silent[place] else None),
                ),
                rest_start_frame(words[place][-1].start_ms, mels[place]) if thin[place] and words[place] else None,
            )
            for place, row in enumerate(rows)
        ]


def _is_checked(utterance: Utterance, tried: Sequence[Attempt]) -> bool:
    """Whether the languages of a segment are to be told beside the one given: see `SegmentTask.language_check`."""
    if not utterance.task.language or utterance.task.language_check != "doubted":
        return bool(utterance.task.language) and utterance.task.language_check == "always"
    # What a short or a longer window settles was a matter of the window.
    return any(each.decoding in ("full", "fallback") for each in tried) and any(each.faults for each in tried)


def _doubts(tried: Sequence[Attempt], dropped: Attempt | None) -> tuple[tuple[str, str], ...]:
    """See `SegmentResult.doubts`. `dropped` is the one of the attempts whose text is dropped for silence."""
    return tuple(
        (attempt.decoding, fault.value)
        for attempt in tried
        for fault in sorted(attempt.faults | ({Fault.SILENCE} if attempt is dropped else set()))
    )
