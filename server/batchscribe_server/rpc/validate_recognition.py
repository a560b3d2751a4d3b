"""The values of a RecognitionConfig."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.recognition import MAX_SEPARATE_CHANNELS
from batchscribe_server.rpc.convert_time import duration_ms
from batchscribe_server.rpc.languages import whisper_language
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.validate_editing import check_editing
from batchscribe_server.rpc.validate_text import check_text

MAX_MODEL_NAME_CHARS = 255
MAX_PROMPT_CHARS = 2_000
MAX_PHRASES = 200
MAX_PHRASE_CHARS = 100
MAX_CANDIDATE_LANGUAGES = 20
MAX_OFFSET_MS = 30 * 86_400_000
MAX_TEMPERATURES = 10
MAX_BEAM_SIZE = 10
MAX_CHANNEL_LABEL_CHARS = 64
MAX_SPEAKERS = 20
MAX_VAD_DURATION_MS = 60_000
MAX_SPEECH_PAD_MS = 5_000  # twice of it must leave room for speech in a segment of 30 s

_BY_CHANNEL = frozenset({pb.DiarizationConfig.MODE_CHANNEL, pb.DiarizationConfig.MODE_CHANNEL_AND_SPEAKER})


def check_recognition(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    """Note what is wrong with the values of the fields that are honoured."""
    if config.language:
        _check_language(config.language, f"{path}.language", violations)
    _check_detection(config, path, violations)
    _check_offsets(config, path, violations)
    if len(config.model) > MAX_MODEL_NAME_CHARS:
        violations.add(f"{path}.model", f"is longer than {MAX_MODEL_NAME_CHARS} characters")
    if len(config.initial_prompt) > MAX_PROMPT_CHARS:
        violations.add(f"{path}.initial_prompt", f"is longer than {MAX_PROMPT_CHARS} characters")
    _check_phrases(config.hotwords, f"{path}.hotwords", violations)
    _check_channels(config, path, violations)
    check_editing(config, path, violations)
    _check_speakers(config.diarization, f"{path}.diarization", violations)
    _check_voice_activity(config.vad, f"{path}.vad", violations)
    if (
        config.operating_point == pb.OPERATING_POINT_SEQUENTIAL
        and config.vad.mode == pb.VoiceActivityConfig.MODE_UNSPECIFIED
    ):
        _refuse_without_voice_activity(config.vad, f"{path}.vad", violations)
    _check_decoding(config.decoding, f"{path}.decoding", violations)
    if config.summary.length and not config.summary.style:
        violations.add(f"{path}.summary.style", "is required for a summary: STYLE_BULLETS or STYLE_PARAGRAPHS")


def separates_channels(config: pb.RecognitionConfig) -> bool:
    """Whether each channel is heard apart."""
    return config.channel_separation or config.diarization.mode in _BY_CHANNEL


def check_duration(message: Duration, max_ms: int, path: str, violations: Violations) -> None:
    """Check a duration from 0 to `max_ms`; unset passes."""
    if not 0 <= duration_ms(message) <= max_ms or message.nanos < 0:
        violations.add(path, f"must be from 0 to {max_ms / 1_000:g} seconds")


def _check_detection(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    detects = not config.language
    for field in ("candidate_languages", "language_confidence_threshold", "low_confidence_action", "default_language"):
        if getattr(config, field) and not detects:
            violations.add(f"{path}.{field}", "is for a language that is detected, and `language` names it")
    if len(config.candidate_languages) > MAX_CANDIDATE_LANGUAGES:
        violations.add(f"{path}.candidate_languages", f"at most {MAX_CANDIDATE_LANGUAGES} are taken")
        return
    for index, tag in enumerate(config.candidate_languages):
        _check_language(tag, f"{path}.candidate_languages[{index}]", violations)
    if config.default_language:
        _check_language(config.default_language, f"{path}.default_language", violations)
    if not 0 <= config.language_confidence_threshold <= 1:
        violations.add(f"{path}.language_confidence_threshold", "must be from 0 to 1")
    takes_default = config.low_confidence_action == pb.LOW_CONFIDENCE_ACTION_USE_DEFAULT
    if takes_default and not config.default_language:
        violations.add(f"{path}.default_language", "is required for LOW_CONFIDENCE_ACTION_USE_DEFAULT")
    if config.default_language and not takes_default:
        violations.add(f"{path}.default_language", "is for LOW_CONFIDENCE_ACTION_USE_DEFAULT alone")
    needs_threshold = takes_default or config.low_confidence_action == pb.LOW_CONFIDENCE_ACTION_FAIL
    if needs_threshold and not config.language_confidence_threshold:
        violations.add(f"{path}.language_confidence_threshold", "is required for this low_confidence_action")


def _check_language(tag: str, path: str, violations: Violations) -> None:
    if whisper_language(tag) is None:
        violations.add(path, f'{shown(tag)} is no language that can be transcribed; write "en"')


def _check_offsets(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    check_duration(config.start_offset, MAX_OFFSET_MS, f"{path}.start_offset", violations)
    check_duration(config.end_offset, MAX_OFFSET_MS, f"{path}.end_offset", violations)
    if config.HasField("end_offset") and duration_ms(config.end_offset) <= duration_ms(config.start_offset):
        violations.add(f"{path}.end_offset", "must be later than start_offset")


def _check_phrases(phrases: Sequence[str], path: str, violations: Violations) -> None:
    if len(phrases) > MAX_PHRASES:
        violations.add(path, f"holds {len(phrases)} entries, at most {MAX_PHRASES} are taken")
        return
    for index, phrase in enumerate(phrases):
        if not phrase.strip():
            violations.add(f"{path}[{index}]", "is empty")
        elif len(phrase) > MAX_PHRASE_CHARS:
            violations.add(f"{path}[{index}]", f"is longer than {MAX_PHRASE_CHARS} characters")


def _check_channels(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    diarization = config.diarization
    by_channel = diarization.mode in _BY_CHANNEL
    if config.HasField("diarization") and not diarization.mode:
        violations.add(f"{path}.diarization.mode", "is required: MODE_CHANNEL or another")
    for apart, where in ((config.channel_separation, "channel_separation"), (by_channel, "diarization.mode")):
        if apart and config.operating_point == pb.OPERATING_POINT_SEQUENTIAL:
            violations.add(f"{path}.{where}", "can't be had with OPERATING_POINT_SEQUENTIAL, which hears one recording")
    labels = diarization.channel_labels
    if labels and not separates_channels(config):
        violations.add(f"{path}.diarization.channel_labels", "needs channels that are heard apart: MODE_CHANNEL")
    if len(labels) > MAX_SEPARATE_CHANNELS:
        violations.add(f"{path}.diarization.channel_labels", f"at most {MAX_SEPARATE_CHANNELS} are taken")
        return
    for index, label in enumerate(labels):
        label_path = f"{path}.diarization.channel_labels[{index}]"
        check_text(label, label_path, violations, MAX_CHANNEL_LABEL_CHARS)
        if not label.strip():
            violations.add(label_path, "is empty; leave all labels out to have the channels' numbers")
        elif label in labels[:index]:
            violations.add(label_path, "is the label of another channel")


def _check_speakers(diarization: pb.DiarizationConfig, path: str, violations: Violations) -> None:
    fewest, most = diarization.min_speakers, diarization.max_speakers
    for field, count in (("min_speakers", fewest), ("max_speakers", most)):
        if not 0 <= count <= MAX_SPEAKERS:
            violations.add(f"{path}.{field}", f"must be from 1 to {MAX_SPEAKERS}, or 0 where it is not known")
        elif count and diarization.mode == pb.DiarizationConfig.MODE_CHANNEL:
            violations.add(f"{path}.{field}", "is for voices that are told apart: MODE_SPEAKER or the like")
    if most and fewest > most:
        violations.add(f"{path}.min_speakers", "is more than max_speakers")


def _check_voice_activity(vad: pb.VoiceActivityConfig, path: str, violations: Violations) -> None:
    if vad.HasField("threshold") and not 0 < vad.threshold < 1:
        violations.add(f"{path}.threshold", "must lie between 0 and 1")
    check_duration(vad.min_silence, MAX_VAD_DURATION_MS, f"{path}.min_silence", violations)
    check_duration(vad.min_speech, MAX_VAD_DURATION_MS, f"{path}.min_speech", violations)
    check_duration(vad.speech_pad, MAX_SPEECH_PAD_MS, f"{path}.speech_pad", violations)


def _refuse_without_voice_activity(vad: pb.VoiceActivityConfig, path: str, violations: Violations) -> None:
    """SEQUENTIAL hears everything by default, so how speech is found must not be set as if it mattered."""
    for field, _ in vad.ListFields():
        violations.add(
            f"{path}.{field.name}",
            f"has no effect with OPERATING_POINT_SEQUENTIAL unless {path}.mode is MODE_AUTO",
        )


_DECODING_BOUNDS = {
    "length_penalty": (0.0, 2.0),
    "repetition_penalty": (1.0, 10.0),
    "no_repeat_ngram_size": (0, 100),
    "compression_ratio_threshold": (1.0, 100.0),
    "log_prob_threshold": (-100.0, 0.0),
    "no_speech_threshold": (0.0, 1.0),
}


def _check_decoding(decoding: pb.DecodingConfig, path: str, violations: Violations) -> None:
    for field, value in decoding.ListFields():
        low, high = _DECODING_BOUNDS.get(field.name, (None, None))
        if low is not None and not low <= value <= high:
            violations.add(f"{path}.{field.name}", f"must be from {low:g} to {high:g}")
    _check_phrases(decoding.suppressed_phrases, f"{path}.suppressed_phrases", violations)
    if not 0 <= decoding.beam_size <= MAX_BEAM_SIZE:
        violations.add(f"{path}.beam_size", f"must be from 1 to {MAX_BEAM_SIZE}, or 0 for the operating point's")
    if len(decoding.temperatures) > MAX_TEMPERATURES:
        violations.add(f"{path}.temperatures", f"at most {MAX_TEMPERATURES} are taken")
        return
    for index, temperature in enumerate(decoding.temperatures):
        if not 0 <= temperature <= 1:
            violations.add(f"{path}.temperatures[{index}]", "must be from 0 to 1")
