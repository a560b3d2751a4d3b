"""Segments that went through the encoder together: from here on decoding is cheap and may be done again."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from batchscribe_engine.inference.windows import content_frames
from batchscribe_engine.inference.words import timed_words
from batchscribe_engine.messages import SAMPLE_RATE_HZ, DecodeOptions, SegmentTask, Word

if TYPE_CHECKING:
    from batchscribe_engine.inference.hypothesis import Hypothesis
    from batchscribe_engine.inference.whisper import Whisper
    from batchscribe_engine.inference.windows import Mel

Key = TypeVar("Key", bound=Hashable)

MAX_CANDIDATES = 5


@dataclass(frozen=True, slots=True)
class Utterance:
    """A segment ready for the encoder: its task and its log-mel features of shape (n_mels, frames)."""

    task: SegmentTask
    mel: Mel

    @property
    def length_s(self) -> float:
        """The segment's length in seconds."""
        return self.task.samples / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Language:
    """The language a segment is decoded in; `candidates` are the likeliest, where it was detected."""

    code: str
    candidates: tuple[tuple[str, float], ...] = ()

    @property
    def probability(self) -> float:
        """How sure the model is; 1 where it was told."""
        return self.candidates[0][1] if self.candidates else 1.0


class EncodedWindow:
    """The encoder's output for some utterances; rows below are indices into them."""

    def __init__(
        self, whisper: Whisper, options: DecodeOptions, utterances: Sequence[Utterance], frames: Sequence[int]
    ) -> None:
        """Encode each utterance in a window of its length in frames, and find the languages that aren't given."""
        self.utterances = utterances
        self._whisper = whisper
        self._options = options
        self._encoded = whisper.encode([utterance.mel for utterance in utterances], frames)
        self.languages = self._languages()

    def decode(self, rows: Sequence[int], *, temperature: float, max_new_tokens: int) -> list[Hypothesis]:
        """One hypothesis for each of the rows, in their order."""
        tokenizers = [self._whisper.tokenizer(self.languages[row].code, self._options.task) for row in rows]
        prompts = [
            self._whisper.prompt(
                tokenizer,
                self._options.hotwords,
                (self._options.initial_prompt, self.utterances[row].task.prompt),
            )
            for row, tokenizer in zip(rows, tokenizers, strict=True)
        ]
        hypotheses: dict[int, Hypothesis] = {}
        # Prompts decoded together must be equally long; languages may differ.
        for places in _grouped([len(prompt) for prompt in prompts]):
            group = self._whisper.generate(
                self._encoded.rows([rows[place] for place in places]),
                [prompts[place] for place in places],
                tokenizers[places[0]],
                self._options,
                temperature=temperature,
                max_new_tokens=max_new_tokens,
            )
            hypotheses.update(zip(places, group, strict=True))
        return [hypotheses[place] for place in range(len(rows))]

    def words(
        self, rows: Sequence[int], hypotheses: Sequence[Hypothesis], languages: Sequence[str]
    ) -> list[tuple[Word, ...]]:
        """The words with their times of each row's hypothesis, which is in the given language."""
        words: list[tuple[Word, ...]] = [()] * len(rows)
        # Alignments done together must be in one language.
        for places in _grouped(languages):
            group = [rows[place] for place in places]
            tokens = [hypotheses[place].tokens for place in places]
            samples = [self.utterances[row].task.samples for row in group]
            tokenizer = self._whisper.tokenizer(languages[places[0]], self._options.task)
            alignments = self._whisper.align(
                self._encoded.rows(group), tokenizer, tokens, [content_frames(each) for each in samples]
            )
            for place, its_tokens, alignment, length in zip(places, tokens, alignments, samples, strict=True):
                # A translation is English, whatever language was heard.
                split_words = (
                    tokenizer.split_tokens_on_spaces
                    if self._options.task == "translate"
                    else tokenizer.split_to_word_tokens
                )
                texts, split = split_words(list(its_tokens))
                mel = self.utterances[rows[place]].mel
                words[place] = timed_words(texts, split, alignment, mel, length * 1000 // SAMPLE_RATE_HZ)
        return words

    def likeliest_languages(self, rows: Sequence[int]) -> list[tuple[tuple[str, float], ...]]:
        """The likeliest languages of some rows, best first, whatever they are decoded in."""
        if not rows or not self._whisper.is_multilingual:
            return [()] * len(rows)
        detected = self._whisper.detect_language(self._encoded.rows(rows), self._options.candidate_languages)
        return [tuple(candidates[:MAX_CANDIDATES]) for candidates in detected]

    def _languages(self) -> list[Language]:
        if not self._whisper.is_multilingual:
            return [Language("en", () if utterance.task.language else (("en", 1.0),)) for utterance in self.utterances]
        languages = [Language(utterance.task.language) for utterance in self.utterances]
        unknown = [row for row, language in enumerate(languages) if not language.code]
        if unknown:
            for row, candidates in zip(unknown, self.likeliest_languages(unknown), strict=True):
                languages[row] = Language(candidates[0][0], candidates)
        return languages


def _grouped(keys: Sequence[Key]) -> Iterator[list[int]]:
    """The places of equal keys, group by group."""
    groups: dict[Key, list[int]] = {}
    for place, key in enumerate(keys):
        groups.setdefault(key, []).append(place)
    yield from groups.values()
