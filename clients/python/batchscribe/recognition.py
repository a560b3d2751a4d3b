"""How a file is transcribed, as keyword arguments with the contract's own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from google.protobuf.message import Message

from batchscribe.states import enum_number
from batchscribe.times import duration_of
from batchscribe.v1.recognition_pb2 import (
    DecodingConfig,
    DiarizationConfig,
    RecognitionConfig,
    RedactionConfig,
    Replacement,
    SummaryConfig,
    VoiceActivityConfig,
)

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


class RecognitionOptions(TypedDict, total=False):
    """The fields of RecognitionConfig. What is None or missing is left to the service.

    Enums are words in any case (`operating_point="enhanced"`, `task="translate"`) and durations seconds. `vad` and
    `redaction` may be True or False, and `vad`, `diarization` and `summary` the word of their mode or style
    (`vad="none"`, `diarization="speaker"`, `summary="bullets"`).
    """

    language: str | None
    candidate_languages: Sequence[str] | None
    low_confidence_action: str | None
    language_confidence_threshold: float | None
    default_language: str | None
    model: str | None
    language_model: str | None
    acoustic_model: str | None
    customization_weight: float | None
    operating_point: str | None
    task: str | None
    diarization: DiarizationConfig | str | None
    channel_separation: bool | None
    word_time_offsets: bool | None
    word_confidence: bool | None
    vad: VoiceActivityConfig | bool | str | None
    hotwords: Sequence[str] | None
    initial_prompt: str | None
    profanity_filter: str | None
    redaction: RedactionConfig | bool | None
    smart_formatting: bool | None
    disfluency_removal: bool | None
    replacements: Sequence[Replacement] | None
    enable_entities: bool | None
    speech_analytics: bool | None
    summary: SummaryConfig | str | None
    start_offset_s: float | None
    end_offset_s: float | None
    decoding: DecodingConfig | None


def recognition_config(options: RecognitionOptions, config: RecognitionConfig | None = None) -> RecognitionConfig:
    """A RecognitionConfig of these options, on top of `config`, which stays as it is.

    Raises TypeError for a name that is no field or a value of another kind, ValueError for a word that is no value.
    """
    merged = RecognitionConfig()
    if config is not None:
        merged.CopyFrom(config)
    for name, value in options.items():
        if value is not None:
            _set_field(merged, name, value)
    return merged


def _set_field(config: RecognitionConfig, name: str, value: Any) -> None:
    field = _field(name)
    kind = bool if isinstance(value, bool) else str if isinstance(value, str) else None
    if (short_form := _SHORT_FORMS.get((name, kind))) is not None:
        value = short_form(value)
    elif field.enum_type is not None:
        value = enum_number(field.enum_type, value)
    elif name.endswith("_s"):
        value = duration_of(value)
    elif field.message_type is not None and not field.is_repeated and not isinstance(value, Message):
        raise TypeError(f"{name} takes no {type(value).__name__}: {value!r}")
    if field.is_repeated:
        if isinstance(value, str):
            raise TypeError(f"{name} takes several values: give it a list")
        config.ClearField(field.name)  # type: ignore[arg-type]
        getattr(config, field.name).extend(value)
    elif isinstance(value, Message):
        getattr(config, field.name).CopyFrom(value)
    else:
        setattr(config, field.name, value)


def _voice_activity(mode: str) -> VoiceActivityConfig:
    return VoiceActivityConfig(
        mode=VoiceActivityConfig.Mode.ValueType(enum_number(VoiceActivityConfig.Mode.DESCRIPTOR, mode))
    )


def _voice_activity_or_none(is_on: bool) -> VoiceActivityConfig:
    return _voice_activity("auto" if is_on else "none")


def _diarization(mode: str) -> DiarizationConfig:
    return DiarizationConfig(
        mode=DiarizationConfig.Mode.ValueType(enum_number(DiarizationConfig.Mode.DESCRIPTOR, mode))
    )


def _redaction(is_on: bool) -> RedactionConfig:
    return RedactionConfig(enabled=is_on)


def _summary(style: str) -> SummaryConfig:
    return SummaryConfig(style=SummaryConfig.Style.ValueType(enum_number(SummaryConfig.Style.DESCRIPTOR, style)))


_SHORT_FORMS: Mapping[tuple[str, type | None], Callable[[Any], Message]] = {
    ("vad", bool): _voice_activity_or_none,
    ("vad", str): _voice_activity,
    ("diarization", str): _diarization,
    ("redaction", bool): _redaction,
    ("summary", str): _summary,
}


def _field(name: str) -> FieldDescriptor:
    fields = RecognitionConfig.DESCRIPTOR.fields_by_name
    if name not in RecognitionOptions.__annotations__:
        raise TypeError(f"{name!r} is not a field of RecognitionConfig")
    return fields[name if name in fields else name.removesuffix("_s")]
