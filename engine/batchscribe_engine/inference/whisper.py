"""A Whisper model in memory: the one module that touches CTranslate2 and faster-whisper.

Nothing here reaches the network: a model is a local folder, and one without its tokenizer is refused.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens
from faster_whisper.utils import get_end

from batchscribe_engine.inference.errors import InferenceError, ModelUnavailableError, OutOfMemoryError
from batchscribe_engine.inference.hypothesis import Hypothesis, TimedHypothesis, TimedTokens
from batchscribe_engine.inference.memory import return_freed_memory
from batchscribe_engine.inference.prompts import MAX_HINT_TOKENS, prompt_tokens
from batchscribe_engine.inference.windows import (
    DYNAMIC_RANGE,
    FULL_WINDOW_FRAMES,
    SAMPLES_PER_FRAME,
    WorkSpace,
    content_frames,
    neighbours,
    padded_with_quiet,
    stack,
)
from batchscribe_engine.inference.words import Alignment
from batchscribe_engine.messages import DecodeOptions, Word

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.inference.windows import Mel

REQUIRED_FILES = ("model.bin", "config.json", "tokenizer.json")
BEST_OF = 5
"""How many samples are drawn at a temperature above 0; the likeliest is taken."""

_INT16_SCALE = 1 / 32768

# What faster-whisper joins to the word after it, and to the word before.
_PREPENDED = "\"'“¿([{-"
_APPENDED = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001  full-width marks are meant

CPU_ENCODER_FRAMES = 1200
"""A CPU encodes windows one by one, short ones in twos or threes: more of them at once don't fit its caches (base,
int8: 22 ms for each second of the window one by one, 27 ms in eights)."""

CPU_WORK_SPACE_BYTES = 128 * 1024**2
"""What a batch may take while it is decoded, or a quarter of what the model's weights take where that is more. 64 MiB
take a twentieth more of the CPU, and more than 128 save nothing (base and tiny.en, files of 2 to 10 s)."""

GPU_FRAMES = 16 * FULL_WINDOW_FRAMES

_DECODER_LAYERS = {384: 4, 512: 6, 768: 12, 1024: 24, 1280: 32}
"""By the model's width; distilled models have fewer."""


class DeviceUnavailableError(Exception):
    """The device or the compute type that was asked for is not there."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where models run and in which precision. `name` is "cpu" or "cuda:0"."""

    kind: str
    index: int
    compute_type: str

    @property
    def name(self) -> str:
        """The device in one word."""
        return self.kind if self.kind == "cpu" else f"{self.kind}:{self.index}"

    @classmethod
    def choose(cls, wanted: str, compute_type: str) -> Self:
        """The device for "auto", "cpu", "cuda" or "cuda:1", with a compute type or "auto".

        Raises DeviceUnavailableError.
        """
        kind, _, number = wanted.partition(":")
        gpus = ctranslate2.get_cuda_device_count()
        if kind == "auto":
            kind = "cuda" if gpus else "cpu"
        index = int(number or 0)
        if kind == "cuda" and index >= gpus:
            raise DeviceUnavailableError(f"there is no CUDA device {index}: {gpus} were found")
        supported = ctranslate2.get_supported_compute_types(kind, index)
        preferred = ("float16", "int8_float16", "int8", "float32") if kind == "cuda" else ("int8", "float32")
        if compute_type == "auto":
            compute_type = next(each for each in preferred if each in supported)
        elif compute_type not in supported:
            raise DeviceUnavailableError(f"{kind} has no {compute_type}, but {', '.join(sorted(supported))}")
        return cls(kind, index, compute_type)


class Encoded:
    """What the encoder made of a stack of windows; it may lie on the device."""

    def __init__(self, view: Any, size: int) -> None:
        self.view = view
        self.size = size

    def rows(self, rows: Sequence[int]) -> Encoded:
        """Some of the windows, in the given order."""
        if list(rows) == list(range(self.size)):
            return self
        picked = np.ascontiguousarray(on_host([self.view])[0][list(rows)])
        return Encoded(ctranslate2.StorageView.from_array(picked), len(rows))


def on_host(views: Sequence[Any]) -> list[npt.NDArray[np.float32]]:
    """CTranslate2's views as arrays, which share their memory where they lie on the host already."""
    return [
        np.array(view.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32), copy=None) for view in views
    ]


class Whisper:
    """One loaded model. Safe to use from as many threads as it has `workers`; more of them wait."""

    def __init__(self, model: WhisperModel, work_space: WorkSpace) -> None:
        self._model = model
        # Held while segments are decoded again in a full window, which takes several times a short one's work space:
        # it is rare enough to be done by one thread at a time.
        self.second_decoding = threading.Lock()
        self.is_multilingual: bool = model.model.is_multilingual
        self.work_space = work_space
        # English-only models ignore both; any tokenizer gives the suppressed tokens, which languages share.
        self._suppressed = list(get_suppressed_tokens(self.tokenizer("en", "transcribe"), [-1]))

    @classmethod
    def load(cls, path: str, device: Device, *, workers: int, threads: int) -> Self:
        """Load a CTranslate2 Whisper folder. Raises ModelUnavailableError or OutOfMemoryError."""
        missing = [name for name in REQUIRED_FILES if not (Path(path) / name).is_file()]
        if missing:
            raise ModelUnavailableError(f"{path} is not a Whisper model: it has no {' and no '.join(missing)}")
        with translated_memory_errors():
            try:
                model = WhisperModel(
                    path,
                    device=device.kind,
                    device_index=device.index,
                    compute_type=device.compute_type,
                    cpu_threads=threads,
                    num_workers=workers,
                    local_files_only=True,
                )
                return cls(model, _work_space(model, device, (Path(path) / "model.bin").stat().st_size))
            except MemoryError:
                raise
            except Exception as error:  # CTranslate2, tokenizers and json each fail in their own ways
                if _tells_of_memory(error):
                    raise
                raise ModelUnavailableError(f"the model in {path} cannot be loaded: {error}") from error

    def close(self) -> None:
        """Give the model's memory back. Nobody may be using it, nor use it again."""
        self._model.model.unload_model()
        del self._model  # the work space of its workers goes with it
        return_freed_memory()

    def tokenizer(self, language: str, task: str) -> Tokenizer:
        """The tokenizer for a language code and "transcribe" or "translate"; English-only models ignore both.

        Raises InferenceError for a language that the model does not know.
        """
        tokenizer = self._model.hf_tokenizer
        if self._model.model.is_multilingual and tokenizer.token_to_id(f"<|{language}|>") is None:
            raise InferenceError(f"the model knows no language {language!r}")
        return Tokenizer(tokenizer, self.is_multilingual, task=task, language=language)

    def features(self, samples: npt.NDArray[np.int16]) -> Mel:
        """The log-mel features of 16 kHz mono samples: float32 of shape (n_mels, frames of 10 ms)."""
        audio = samples.astype(np.float32) * np.float32(_INT16_SCALE)
        # Half an analysis window beyond the end, so that the last frame is whole.
        mel = self._model.feature_extractor(audio, padding=SAMPLES_PER_FRAME)
        heard: Mel = mel[:, : content_frames(samples.size)].astype(np.float32, copy=False)
        return heard

    def encode(self, mels: Sequence[Mel], frames: Sequence[int]) -> Encoded:
        """Run the encoder on log-mel features of shape (n_mels, n), each in a window of its own length in frames.

        Lengths are even and at most 3000. Neighbours go through the encoder together as far as the work space allows,
        padded to the longest of them; what comes out is padded to the longest of all.
        """
        calls = neighbours(frames, self.work_space.encoder_frames)
        with translated_memory_errors():
            views = [
                self._model.model.encode(ctranslate2.StorageView.from_array(stack(mels[call], max(frames[call]))))
                for call in calls
            ]
            if len(views) == 1:
                return Encoded(views[0], len(mels))
            outputs = [output for part in on_host(views) for output in part]
            even = padded_with_quiet(outputs, [content.shape[1] for content in mels])
            return Encoded(ctranslate2.StorageView.from_array(even), len(mels))

    def detect_language(self, encoded: Encoded, among: Collection[str]) -> list[list[tuple[str, float]]]:
        """For each window the languages with their probabilities, best first: those of `among`, or all if it is empty.

        Only for a multilingual model. Raises InferenceError where it knows none of `among`.
        """
        with translated_memory_errors():
            detected = self._model.model.detect_language(encoded.view)
        found = [
            [(token[2:-2], probability) for token, probability in each if not among or token[2:-2] in among]
            for each in detected
        ]
        if not all(found):
            raise InferenceError(f"the model knows none of the languages {', '.join(sorted(among))}")
        return found

    def prompt(self, tokenizer: Tokenizer, hotwords: str, previous: Sequence[str]) -> list[int]:
        """The prompt of one segment, in tokens."""
        return prompt_tokens(
            tokenizer.encode,
            start_of_previous=tokenizer.sot_prev,
            start_sequence=[*tokenizer.sot_sequence, tokenizer.no_timestamps],
            hotwords=hotwords,
            previous=previous,
        )

    def generate(
        self,
        encoded: Encoded,
        prompts: Sequence[Sequence[int]],
        tokenizer: Tokenizer,
        options: DecodeOptions,
        *,
        temperature: float,
        max_new_tokens: int,
    ) -> list[Hypothesis]:
        """The best hypothesis for each window. All prompts must be equally long.

        Temperature 0 searches with a beam for the text of the highest probability, and a row is done once that is
        found: no longer text can be likelier. Ranked by the mean over the tokens instead, as faster-whisper does, the
        search goes on until as many texts have ended as the beam is wide, for the same words at a tenth more of the
        CPU. Above 0 the best of some samples is taken, by that mean. A length penalty in the options ranks by the
        probability over the length to that power, at any temperature.
        """
        search: dict[str, int]
        if temperature == 0:
            length_penalty, search = 0.0, {"beam_size": options.beam_size}
        else:
            length_penalty, search = 1.0, {"beam_size": 1, "num_hypotheses": BEST_OF, "sampling_topk": 0}
        if options.length_penalty is not None:
            length_penalty = options.length_penalty
        with translated_memory_errors():
            results = self._model.model.generate(
                encoded.view,
                [list(prompt) for prompt in prompts],
                # CTranslate2 counts the prompt in, and lets new tokens take at most half.
                max_length=max(2 * max_new_tokens, max_new_tokens + len(prompts[0])),
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=self._suppressed,
                length_penalty=length_penalty,
                repetition_penalty=options.repetition_penalty,
                no_repeat_ngram_size=options.no_repeat_ngram_size,
                sampling_temperature=temperature or 1,
                **search,
            )
        hypotheses = []
        for result in results:
            tokens = result.sequences_ids[0]
            hypotheses.append(
                Hypothesis(
                    tokens=tuple(token for token in tokens if token < tokenizer.eot),
                    text=tokenizer.decode(tokens).strip(),
                    # The end of the text counts as one more token.
                    avg_log_prob=result.scores[0] * len(tokens) ** length_penalty / (len(tokens) + 1),
                    no_speech_prob=result.no_speech_prob,
                    temperature=temperature,
                )
            )
        return hypotheses

    def align(
        self, encoded: Encoded, tokenizer: Tokenizer, tokens: Sequence[Sequence[int]], frames: Sequence[int]
    ) -> list[Alignment]:
        """Where each window's text tokens were heard; `frames` is how much of each window is the segment itself."""
        with translated_memory_errors():
            results = self._model.model.align(
                encoded.view, tokenizer.sot_sequence, [list(each) for each in tokens], list(frames)
            )
        return [Alignment(result.alignments, result.text_token_probs) for result in results]

    # for windows that are heard in sequence, as faster-whisper hears them

    def window_features(
        self, samples: npt.NDArray[np.int16], *, lead_frames: int, frames: int, at_end: bool, loudest: float
    ) -> tuple[Mel, float]:
        """The log-mel features of a window within 16 kHz mono samples, (n_mels, 3000), and the highest feature so far.

        The samples are those of a `WindowTask`. faster-whisper clips features at 80 dB below the loudest of the whole
        file; here it is the loudest up to this window.
        """
        audio = samples.astype(np.float32) * np.float32(_INT16_SCALE)
        mel = self._model.feature_extractor(audio, padding=SAMPLES_PER_FRAME if at_end else 0)
        window = mel[:, lead_frames : lead_frames + frames].astype(np.float32, copy=False)
        loudest = max(loudest, float(window.max()))
        heard: Mel = pad_or_trim(np.maximum(window, np.float32(loudest - DYNAMIC_RANGE)))
        return heard, loudest

    def prompt_in_sequence(self, tokenizer: Tokenizer, hotwords: str, previous: Sequence[int]) -> list[int]:
        """The prompt of a window whose text before, in tokens, is `previous`.

        Hotwords get at most half of the hints' room: faster-whisper lets them fill the model's context.
        """
        known = tokenizer.encode(" " + hotwords.strip()) if hotwords.strip() else []
        if len(known) > MAX_HINT_TOKENS // 2:
            hotwords = tokenizer.decode(known[: MAX_HINT_TOKENS // 2])
        prompt: list[int] = self._model.get_prompt(tokenizer, list(previous), hotwords=hotwords.strip() or None)
        return prompt

    def generate_in_sequence(
        self, encoded: Encoded, prompt: Sequence[int], tokenizer: Tokenizer, options: DecodeOptions
    ) -> TimedHypothesis:
        """What faster-whisper makes of one window with its prompt: timestamps, beam, and higher temperatures."""
        with translated_memory_errors():
            result, avg_log_prob, temperature, compression_ratio = self._model.generate_with_fallback(
                encoded.view, list(prompt), tokenizer, self._faster_whisper_options(options)
            )
        return TimedHypothesis(
            tuple(result.sequences_ids[0]), avg_log_prob, result.no_speech_prob, temperature, compression_ratio
        )

    def passages(
        self,
        encoded: Encoded,
        tokenizer: Tokenizer,
        tokens: Sequence[int],
        *,
        start_frame: int,
        frames: int,
        word_times: bool,
        spoken_until_s: float,
    ) -> tuple[list[TimedTokens], int, float]:
        """The passages into which its timestamps divide a window, the frame to go on at, and where speech ended.

        Times are seconds from the beginning of the recording, of which the window is `frames` frames of 10 ms from
        `start_frame` on; `spoken_until_s` is where speech ended before it, and is only moved on with `word_times`.
        """
        start_s = start_frame * self._model.feature_extractor.time_per_frame
        length_s = frames * self._model.feature_extractor.time_per_frame
        found, next_frame, whole = self._model._split_segments_by_timestamps(
            tokenizer, list(tokens), start_s, frames, length_s, start_frame
        )
        if word_times:
            with translated_memory_errors():
                self._model.add_word_timestamps(
                    [found], tokenizer, encoded.view, frames, _PREPENDED, _APPENDED, spoken_until_s
                )
            end_s = get_end(found)
            if end_s is not None:
                spoken_until_s = float(end_s)  # numpy's would not go into a message
                if not whole and end_s > start_s:
                    next_frame = round(end_s * self._model.frames_per_second)
        passages = [
            TimedTokens(
                tuple(each["tokens"]),
                tokenizer.decode(each["tokens"]),
                float(each["start"]),
                float(each["end"]),
                tuple(
                    Word(
                        word["word"], round(1000 * word["start"]), round(1000 * word["end"]), float(word["probability"])
                    )
                    for word in each.get("words", ())
                ),
            )
            for each in found
        ]
        return passages, next_frame, spoken_until_s

    def _faster_whisper_options(self, options: DecodeOptions) -> TranscriptionOptions:
        """Our options as faster-whisper's; what we have no option for is as its `transcribe` has it by default."""
        return TranscriptionOptions(
            beam_size=options.beam_size,
            best_of=BEST_OF,
            patience=1,
            length_penalty=1 if options.length_penalty is None else options.length_penalty,
            repetition_penalty=options.repetition_penalty,
            no_repeat_ngram_size=options.no_repeat_ngram_size,
            log_prob_threshold=options.log_prob_threshold,
            no_speech_threshold=options.no_speech_threshold,
            compression_ratio_threshold=options.compression_ratio_threshold,
            condition_on_previous_text=True,
            prompt_reset_on_temperature=0.5,
            temperatures=list(options.temperatures),
            initial_prompt=None,
            prefix=None,
            suppress_blank=True,
            suppress_tokens=self._suppressed,
            without_timestamps=False,
            max_initial_timestamp=1.0,
            word_timestamps=options.word_times,
            prepend_punctuations=_PREPENDED,
            append_punctuations=_APPENDED,
            multilingual=False,
            max_new_tokens=None,
            clip_timestamps="0",
            hallucination_silence_threshold=None,
            hotwords=None,
        )


def _work_space(model: WhisperModel, device: Device, weights_bytes: int) -> WorkSpace:
    if device.kind != "cpu":
        return WorkSpace(GPU_FRAMES, GPU_FRAMES)
    shortest = np.zeros((1, model.model.n_mels, 2), dtype=np.float32)
    width = model.model.encode(ctranslate2.StorageView.from_array(shortest)).shape[-1]
    layers = _DECODER_LAYERS.get(width, width // 40)
    # A key and a value for each position of the encoder's output, which are half as many as its frames.
    frame_bytes = layers * width * np.dtype(np.float32).itemsize
    return WorkSpace(CPU_ENCODER_FRAMES, max(CPU_WORK_SPACE_BYTES, weights_bytes // 4) // frame_bytes)


@contextlib.contextmanager
def translated_memory_errors() -> Iterator[None]:
    """Raise OutOfMemoryError for what CTranslate2 and numpy raise when memory runs out."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemoryError("there is not enough memory") from error
    except RuntimeError as error:
        if not _tells_of_memory(error):
            raise
        raise OutOfMemoryError(f"the device's memory is full: {error}") from error


def _tells_of_memory(error: Exception) -> bool:
    message = str(error).lower()
    return any(sign in message for sign in ("out of memory", "cuda_error_out_of_memory", "alloc_failed", "bad_alloc"))
