"""What a client asks for, in the words of the children."""

from __future__ import annotations

from batchscribe_engine.messages import DecodeOptions, ModelSpec, VoiceActivityOptions
from batchscribe_server.domain.model import Model
from batchscribe_server.domain.recognition import OperatingPoint, RecognitionConfig
from batchscribe_server.operations.transcriber import TranscriptionRequest

_DECODE = DecodeOptions()
_VOICE_ACTIVITY = VoiceActivityOptions()


def model_spec(model: Model) -> ModelSpec:
    """The model as the engine loads it."""
    return ModelSpec(model.name, model.path, model.window_margin_s)


def decode_options(request: TranscriptionRequest) -> DecodeOptions:
    """How the engine decodes the request's segments; what the client left open follows the engine's defaults."""
    config = request.config
    return DecodeOptions(
        task=config.task.value,
        beam_size=config.effective_beam_size,
        temperatures=config.temperatures or _DECODE.temperatures,
        word_times=request.word_times or config.word_time_offsets or config.word_confidence,
        initial_prompt=config.initial_prompt,
        hotwords=" ".join(config.hotwords),
    )


def voice_activity_options(config: RecognitionConfig) -> VoiceActivityOptions:
    """How the media worker finds speech, or cuts a file in which it doesn't."""
    asked = config.voice_activity

    def given(value: int | None, default: int) -> int:
        return default if value is None else value

    return VoiceActivityOptions(
        enabled=config.finds_speech,
        blocks=config.operating_point is OperatingPoint.SEQUENTIAL,
        threshold=_VOICE_ACTIVITY.threshold if asked.threshold is None else asked.threshold,
        min_silence_ms=given(asked.min_silence_ms, _VOICE_ACTIVITY.min_silence_ms),
        min_speech_ms=given(asked.min_speech_ms, _VOICE_ACTIVITY.min_speech_ms),
        speech_pad_ms=given(asked.speech_pad_ms, _VOICE_ACTIVITY.speech_pad_ms),
        join_s=_VOICE_ACTIVITY.join_s,
    )
