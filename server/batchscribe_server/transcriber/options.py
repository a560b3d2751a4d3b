"""What a client asks for, in the words of the children."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from batchscribe_engine.messages import DecodeOptions, ModelSpec, VoiceActivityOptions
from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import OperatingPoint, RecognitionConfig
from batchscribe_server.operations.transcriber import TranscriptionRequest

Value = TypeVar("Value", int, float)

_DECODE = DecodeOptions()
_VOICE_ACTIVITY = VoiceActivityOptions()


def model_spec(model: Model) -> ModelSpec:
    """The model as the engine loads it, which runs in another folder."""
    return ModelSpec(model.name, str(Path(model.path).absolute()), model.window_margin_s)


def decode_options(request: TranscriptionRequest) -> DecodeOptions:
    """How the engine decodes the request's segments; what the client left open follows the engine's defaults."""
    config = request.config
    asked = config.decoding
    return DecodeOptions(
        task=config.task.value,
        beam_size=config.effective_beam_size,
        temperatures=asked.temperatures or _DECODE.temperatures,
        word_times=request.word_times or config.needs_word_times,
        initial_prompt=config.initial_prompt,
        hotwords=" ".join(config.hotwords),
        candidate_languages=config.detection.candidates,
        length_penalty=asked.length_penalty,
        repetition_penalty=_given(asked.repetition_penalty, _DECODE.repetition_penalty),
        no_repeat_ngram_size=asked.no_repeat_ngram_size,
        compression_ratio_threshold=_given(asked.compression_ratio_threshold, _DECODE.compression_ratio_threshold),
        log_prob_threshold=_given(asked.log_prob_threshold, _DECODE.log_prob_threshold),
        no_speech_threshold=_given(asked.no_speech_threshold, _DECODE.no_speech_threshold),
    )


def voice_activity_options(config: RecognitionConfig) -> VoiceActivityOptions:
    """How the media worker finds speech, or cuts a file in which it doesn't."""
    asked = config.voice_activity

    return VoiceActivityOptions(
        enabled=config.finds_speech,
        blocks=config.operating_point is OperatingPoint.SEQUENTIAL,
        threshold=_given(asked.threshold, _VOICE_ACTIVITY.threshold),
        min_silence_ms=_given(asked.min_silence_ms, _VOICE_ACTIVITY.min_silence_ms),
        min_speech_ms=_given(asked.min_speech_ms, _VOICE_ACTIVITY.min_speech_ms),
        speech_pad_ms=_given(asked.speech_pad_ms, _VOICE_ACTIVITY.speech_pad_ms),
        join_s=_VOICE_ACTIVITY.join_s,
    )


def _given(value: Value | None, default: Value) -> Value:
    return default if value is None else value
