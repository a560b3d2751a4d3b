"""One window of a recording that is heard in sequence, with the text before it as context.

This is the body of the loop in faster-whisper's `WhisperModel.generate_segments` (1.2.1), with its defaults; what it
keeps between two windows comes in with the window and goes out with its result, so that any engine can do the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batchscribe_engine.inference.encoded_window import MAX_CANDIDATES
from batchscribe_engine.inference.prompts import MAX_HINT_TOKENS
from batchscribe_engine.inference.quality import has_words
from batchscribe_engine.inference.silence import is_digital_silence
from batchscribe_engine.inference.windows import FRAMES_PER_S
from batchscribe_engine.messages import Context, DecodeOptions, InferWindow, Passage, WindowResult, WindowTask, Word

if TYPE_CHECKING:
    import numpy.typing as npt

    from batchscribe_engine.arena import Arena
    from batchscribe_engine.inference.hypothesis import TimedHypothesis, TimedTokens
    from batchscribe_engine.inference.whisper import Encoded, Whisper

FORGETS_ABOVE_TEMPERATURE = 0.5
"""Text that took a higher temperature is no context for the next window: it could carry a loop on."""


def transcribe_window(message: InferWindow, arena: Arena, whisper: Whisper) -> WindowResult:
    """What was heard in the window, and what the next one needs to know.

    Raises StaleSlotError for a slot that changed hands, OutOfMemoryError, and InferenceError for a language that the
    model does not know.
    """
    task, options = message.window, message.options
    sound = _sound(task, arena)
    end_frame = task.start_frame + task.frames
    if is_digital_silence(sound):
        return _nothing_said(task, end_frame)
    before = task.context or Context()
    mel, loudest = whisper.window_features(
        sound, lead_frames=task.lead_frames, frames=task.frames, at_end=task.at_end, loudest=before.loudest
    )
    encoded = whisper.encode([mel], [mel.shape[1]])
    language, candidates = _language(message, encoded, whisper)
    tokenizer = whisper.tokenizer(language, options.task)
    previous: list[int] = list(before.tokens)
    if task.context is None and options.initial_prompt.strip():
        previous = tokenizer.encode(" " + options.initial_prompt.strip())
    prompt = whisper.prompt_in_sequence(tokenizer, options.hotwords, previous)
    hypothesis = whisper.generate_in_sequence(encoded, prompt, tokenizer, options)

    passages: list[TimedTokens] = []
    next_frame, spoken_until_s = end_frame, before.spoken_until_s
    silent = is_silent(hypothesis, options)
    if not silent:
        found, next_frame, spoken_until_s = whisper.passages(
            encoded,
            tokenizer,
            hypothesis.tokens,
            start_frame=task.start_frame,
            frames=task.frames,
            word_times=options.word_times,
            spoken_until_s=spoken_until_s,
        )
        passages = [each for each in found if _is_said(each, end_frame)]
        spoken_until_s = min(spoken_until_s, end_frame / FRAMES_PER_S)
        if next_frame <= task.start_frame:  # or the next window would be this one again
            next_frame = end_frame
    decoding = "fallback" if hypothesis.temperature > options.temperatures[0] else "full"
    heard = [token for each in passages for token in each.tokens]
    forgotten = not silent and hypothesis.temperature > FORGETS_ABOVE_TEMPERATURE
    return WindowResult(
        segment_id=task.segment_id,
        text="".join(each.text for each in passages).strip(),
        language=language,
        language_candidates=candidates,
        avg_log_prob=hypothesis.avg_log_prob,
        no_speech_prob=hypothesis.no_speech_prob,
        compression_ratio=hypothesis.compression_ratio,
        temperature=hypothesis.temperature,
        decoding=decoding,
        doubts=((decoding, "silence"),) if silent else (),
        passages=tuple(_passage(each, end_frame) for each in passages),
        next_frame=next_frame,
        context=Context(
            tokens=() if forgotten else tuple([*previous, *heard][-MAX_HINT_TOKENS:]),
            spoken_until_s=spoken_until_s,
            loudest=loudest,
        ),
    )


def is_silent(hypothesis: TimedHypothesis, options: DecodeOptions) -> bool:
    """Nothing was said: the model thinks so, and is unsure of the text that it gave nevertheless."""
    return (
        hypothesis.no_speech_prob > options.no_speech_threshold
        and not hypothesis.avg_log_prob > options.log_prob_threshold
    )


def _sound(task: WindowTask, arena: Arena) -> npt.NDArray[np.int16]:
    """The samples of all the window's spans, int16 of shape (n,). Raises StaleSlotError."""
    parts = [
        arena.read(span.slot, span.generation)[span.first_sample : span.first_sample + span.samples]
        for span in task.spans
    ]
    sound = np.concatenate(parts)
    for span in task.spans:  # or else somebody wrote to a slot meanwhile
        arena.read(span.slot, span.generation)
    return sound


def _language(message: InferWindow, encoded: Encoded, whisper: Whisper) -> tuple[str, tuple[tuple[str, float], ...]]:
    """The window's language, and the likeliest where it had to be detected."""
    task = message.window
    if not whisper.is_multilingual:
        return "en", () if task.language else (("en", 1.0),)
    if task.language:
        return task.language, ()
    (candidates,) = whisper.detect_language(encoded, message.options.candidate_languages)
    return candidates[0][0], tuple(candidates[:MAX_CANDIDATES])


def _nothing_said(task: WindowTask, end_frame: int) -> WindowResult:
    return WindowResult(
        segment_id=task.segment_id,
        text="",
        language=task.language,
        no_speech_prob=1.0,
        decoding="none",
        next_frame=end_frame,
        context=task.context,
    )


def _is_said(passage: TimedTokens, end_frame: int) -> bool:
    """Whether a passage is speech: not of marks alone, nor timed where there is no sound any more."""
    begins_within = passage.start_s < end_frame / FRAMES_PER_S
    return begins_within and passage.start_s != passage.end_s and has_words(passage.text)


def _passage(timed: TimedTokens, end_frame: int) -> Passage:
    """The passage up to the window's end: the model always sees 30 s, and may time words after the sound has ended."""
    end_ms = end_frame * 1000 // FRAMES_PER_S
    words = [
        Word(word.text.strip(), min(end_ms, word.start_ms), min(end_ms, word.end_ms), word.probability)
        for word in timed.words
    ]
    return Passage(
        timed.text.strip(),
        min(end_ms, round(1000 * timed.start_s)),
        min(end_ms, round(1000 * timed.end_s)),
        tuple(word for word in words if word.text),
    )
