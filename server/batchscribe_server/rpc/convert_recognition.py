"""Recognition configs, from message to domain and back. Messages were validated, so every one has its domain value."""

from __future__ import annotations

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe_server.domain.recognition import (
    Decoding,
    Diarization,
    DiarizationMode,
    LanguageDetection,
    OperatingPoint,
    ProfanityFilter,
    RecognitionConfig,
    Redaction,
    RedactionCategory,
    Replacement,
    SummaryConfig,
    SummaryLength,
    SummaryStyle,
    Task,
    UnsureLanguage,
    VoiceActivity,
)
from batchscribe_server.rpc.convert_time import duration, duration_ms
from batchscribe_server.rpc.languages import whisper_language
from batchscribe_server.rpc.validate_editing import replaced

_TASKS = {pb.TASK_TRANSCRIBE: Task.TRANSCRIBE, pb.TASK_TRANSLATE: Task.TRANSLATE}
_TASK_MESSAGES = {task: message for message, task in _TASKS.items()}
_OPERATING_POINTS = {
    pb.OPERATING_POINT_STANDARD: OperatingPoint.STANDARD,
    pb.OPERATING_POINT_ENHANCED: OperatingPoint.ENHANCED,
    pb.OPERATING_POINT_SEQUENTIAL: OperatingPoint.SEQUENTIAL,
}
_UNSURE = {
    pb.LOW_CONFIDENCE_ACTION_USE: UnsureLanguage.USE,
    pb.LOW_CONFIDENCE_ACTION_USE_DEFAULT: UnsureLanguage.USE_DEFAULT,
    pb.LOW_CONFIDENCE_ACTION_FAIL: UnsureLanguage.FAIL,
}
_UNSURE_MESSAGES = {
    # What is the default anyway is not shown: a client that echoes what it got gets no field that needs another.
    UnsureLanguage.USE: pb.LOW_CONFIDENCE_ACTION_UNSPECIFIED,
    UnsureLanguage.USE_DEFAULT: pb.LOW_CONFIDENCE_ACTION_USE_DEFAULT,
    UnsureLanguage.FAIL: pb.LOW_CONFIDENCE_ACTION_FAIL,
}
_DIARIZATION_MODES = {
    pb.DiarizationConfig.MODE_SPEAKER: DiarizationMode.SPEAKER,
    pb.DiarizationConfig.MODE_CHANNEL: DiarizationMode.CHANNEL,
    pb.DiarizationConfig.MODE_CHANNEL_AND_SPEAKER: DiarizationMode.CHANNEL_AND_SPEAKER,
}
_DIARIZATION_MODE_MESSAGES = {mode: message for message, mode in _DIARIZATION_MODES.items()}
_SUMMARY_STYLES = {
    pb.SummaryConfig.STYLE_BULLETS: SummaryStyle.BULLETS,
    pb.SummaryConfig.STYLE_PARAGRAPHS: SummaryStyle.PARAGRAPHS,
}
_SUMMARY_STYLE_MESSAGES = {style: message for message, style in _SUMMARY_STYLES.items()}
_SUMMARY_LENGTHS = {
    pb.SummaryConfig.LENGTH_SHORT: SummaryLength.SHORT,
    pb.SummaryConfig.LENGTH_MEDIUM: SummaryLength.MEDIUM,
    pb.SummaryConfig.LENGTH_LONG: SummaryLength.LONG,
}
_SUMMARY_LENGTH_MESSAGES = {length: message for message, length in _SUMMARY_LENGTHS.items()}
_SPEECH_FOUND = {pb.VoiceActivityConfig.MODE_AUTO: True, pb.VoiceActivityConfig.MODE_NONE: False}
_VOICE_ACTIVITY_MODES = {found: mode for mode, found in _SPEECH_FOUND.items()}
_PROFANITY_FILTERS = {
    pb.PROFANITY_FILTER_NONE: ProfanityFilter.NONE,
    pb.PROFANITY_FILTER_MASK: ProfanityFilter.MASK,
    pb.PROFANITY_FILTER_REMOVE: ProfanityFilter.REMOVE,
}
_PROFANITY_FILTER_MESSAGES = {filter: message for message, filter in _PROFANITY_FILTERS.items()}
_REDACTION_CATEGORIES = {
    pb.RedactionConfig.CATEGORY_UNSPECIFIED: RedactionCategory.NUMBERS,
    pb.RedactionConfig.CATEGORY_NUMBERS: RedactionCategory.NUMBERS,
    pb.RedactionConfig.CATEGORY_CARD_NUMBERS: RedactionCategory.CARD_NUMBERS,
    pb.RedactionConfig.CATEGORY_PHONE_NUMBERS: RedactionCategory.PHONE_NUMBERS,
    pb.RedactionConfig.CATEGORY_EMAIL_ADDRESSES: RedactionCategory.EMAIL_ADDRESSES,
}
_REDACTION_CATEGORY_MESSAGES = {category: message for message, category in _REDACTION_CATEGORIES.items()}
_OPERATING_POINT_MESSAGES = {point: message for message, point in _OPERATING_POINTS.items()}


def recognition_config(message: pb.RecognitionConfig) -> RecognitionConfig:
    """What the client asks for."""
    return RecognitionConfig(
        language=whisper_language(message.language) or "",
        detection=_detection(message),
        model=message.model.removeprefix("models/"),
        task=_TASKS.get(message.task, Task.TRANSCRIBE),
        operating_point=_OPERATING_POINTS.get(message.operating_point, OperatingPoint.STANDARD),
        word_time_offsets=message.word_time_offsets,
        word_confidence=message.word_confidence,
        channel_separation=message.channel_separation,
        diarization=_diarization(message.diarization),
        voice_activity=_voice_activity(message.vad),
        hotwords=tuple(message.hotwords),
        initial_prompt=message.initial_prompt,
        enable_entities=message.enable_entities,
        speech_analytics=message.speech_analytics,
        summary=_summary(message.summary),
        start_offset_ms=duration_ms(message.start_offset),
        end_offset_ms=duration_ms(message.end_offset),
        decoding=_decoding(message.decoding),
        disfluency_removal=message.disfluency_removal,
        smart_formatting=message.smart_formatting,
        replacements=tuple(
            Replacement(replaced(replacement), replacement.to, replacement.regex)
            for replacement in message.replacements
        ),
        profanity_filter=_PROFANITY_FILTERS.get(message.profanity_filter, ProfanityFilter.NONE),
        redaction=_redaction(message.redaction),
    )


def recognition_config_message(config: RecognitionConfig) -> pb.RecognitionConfig:
    """What the client is shown of what it asked for."""
    message = pb.RecognitionConfig(
        language=config.language,
        candidate_languages=config.detection.candidates,
        low_confidence_action=_UNSURE_MESSAGES[config.detection.unsure],
        language_confidence_threshold=config.detection.threshold,
        default_language=config.detection.default,
        model=config.model,
        task=_TASK_MESSAGES[config.task],
        operating_point=_OPERATING_POINT_MESSAGES[config.operating_point],
        word_time_offsets=config.word_time_offsets,
        word_confidence=config.word_confidence,
        channel_separation=config.channel_separation,
        hotwords=config.hotwords,
        initial_prompt=config.initial_prompt,
        disfluency_removal=config.disfluency_removal,
        smart_formatting=config.smart_formatting,
        replacements=[_replacement_message(replacement) for replacement in config.replacements],
        profanity_filter=_PROFANITY_FILTER_MESSAGES[config.profanity_filter],
        enable_entities=config.enable_entities,
        speech_analytics=config.speech_analytics,
    )
    if config.redaction is not None:
        message.redaction.enabled = True
        message.redaction.categories.extend(_REDACTION_CATEGORY_MESSAGES[c] for c in config.redaction.categories)
    if config.summary is not None:
        message.summary.CopyFrom(_summary_message(config.summary))
    if config.diarization is not None:
        message.diarization.CopyFrom(_diarization_message(config.diarization))
    if config.voice_activity != VoiceActivity():
        message.vad.CopyFrom(_voice_activity_message(config.voice_activity))
    if config.start_offset_ms:
        message.start_offset.CopyFrom(duration(config.start_offset_ms))
    if config.end_offset_ms:
        message.end_offset.CopyFrom(duration(config.end_offset_ms))
    if config.decoding != Decoding():
        message.decoding.CopyFrom(_decoding_message(config.decoding))
    return message


def as_written(value: float) -> float:
    """A 32-bit float of a message as the decimal that was written: 0.35, not 0.3499999940395355."""
    return float(f"{value:.6g}")


def _detection(message: pb.RecognitionConfig) -> LanguageDetection:
    candidates = (whisper_language(tag) or "" for tag in message.candidate_languages)
    return LanguageDetection(
        candidates=tuple(dict.fromkeys(candidates)),
        threshold=as_written(message.language_confidence_threshold),
        unsure=_UNSURE.get(message.low_confidence_action, UnsureLanguage.USE),
        default=whisper_language(message.default_language) or "",
    )


def _decoding(message: pb.DecodingConfig) -> Decoding:
    def given(name: str) -> float | None:
        return as_written(getattr(message, name)) if message.HasField(name) else None  # type: ignore[arg-type]

    return Decoding(
        beam_size=message.beam_size,
        temperatures=tuple(as_written(temperature) for temperature in message.temperatures),
        length_penalty=given("length_penalty"),
        repetition_penalty=given("repetition_penalty"),
        no_repeat_ngram_size=message.no_repeat_ngram_size,
        compression_ratio_threshold=given("compression_ratio_threshold"),
        log_prob_threshold=given("log_prob_threshold"),
        no_speech_threshold=given("no_speech_threshold"),
        suppressed_phrases=tuple(message.suppressed_phrases),
    )


def _decoding_message(decoding: Decoding) -> pb.DecodingConfig:
    return pb.DecodingConfig(
        beam_size=decoding.beam_size,
        temperatures=decoding.temperatures,
        length_penalty=decoding.length_penalty,
        repetition_penalty=decoding.repetition_penalty,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        compression_ratio_threshold=decoding.compression_ratio_threshold,
        log_prob_threshold=decoding.log_prob_threshold,
        no_speech_threshold=decoding.no_speech_threshold,
        suppressed_phrases=decoding.suppressed_phrases,
    )


def _diarization(message: pb.DiarizationConfig) -> Diarization | None:
    mode = _DIARIZATION_MODES.get(message.mode)
    if mode is None:
        return None
    return Diarization(mode, message.min_speakers, message.max_speakers, tuple(message.channel_labels))


def _diarization_message(diarization: Diarization) -> pb.DiarizationConfig:
    return pb.DiarizationConfig(
        mode=_DIARIZATION_MODE_MESSAGES[diarization.mode],
        min_speakers=diarization.min_speakers,
        max_speakers=diarization.max_speakers,
        channel_labels=diarization.channel_labels,
    )


def _replacement_message(replacement: Replacement) -> pb.Replacement:
    message = pb.Replacement(to=replacement.to, regex=replacement.regex)
    setattr(message, "from", replacement.pattern)
    return message


def _redaction(message: pb.RedactionConfig) -> Redaction | None:
    if not message.enabled:
        return None
    return Redaction(tuple(_REDACTION_CATEGORIES[category] for category in message.categories))


def _summary(message: pb.SummaryConfig) -> SummaryConfig | None:
    style = _SUMMARY_STYLES.get(message.style)
    return SummaryConfig(style, _SUMMARY_LENGTHS.get(message.length, SummaryLength.MEDIUM)) if style else None


def _summary_message(summary: SummaryConfig) -> pb.SummaryConfig:
    return pb.SummaryConfig(
        style=_SUMMARY_STYLE_MESSAGES[summary.style], length=_SUMMARY_LENGTH_MESSAGES[summary.length]
    )


def _voice_activity(message: pb.VoiceActivityConfig) -> VoiceActivity:
    return VoiceActivity(
        enabled=_SPEECH_FOUND.get(message.mode),
        threshold=as_written(message.threshold) if message.HasField("threshold") else None,
        min_silence_ms=duration_ms(message.min_silence) if message.HasField("min_silence") else None,
        min_speech_ms=duration_ms(message.min_speech) if message.HasField("min_speech") else None,
        speech_pad_ms=duration_ms(message.speech_pad) if message.HasField("speech_pad") else None,
    )


def _voice_activity_message(voice_activity: VoiceActivity) -> pb.VoiceActivityConfig:
    message = pb.VoiceActivityConfig(threshold=voice_activity.threshold)
    if voice_activity.enabled is not None:
        message.mode = _VOICE_ACTIVITY_MODES[voice_activity.enabled]
    if voice_activity.min_silence_ms is not None:
        message.min_silence.CopyFrom(duration(voice_activity.min_silence_ms))
    if voice_activity.min_speech_ms is not None:
        message.min_speech.CopyFrom(duration(voice_activity.min_speech_ms))
    if voice_activity.speech_pad_ms is not None:
        message.speech_pad.CopyFrom(duration(voice_activity.speech_pad_ms))
    return message
