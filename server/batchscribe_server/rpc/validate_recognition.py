"""The values of a RecognitionConfig."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration

from batchscribe.v1 import recognition_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.recognition import MAX_SEPARATE_CHANNELS
from batchscribe_server.rpc.convert_time import duration_ms
from batchscribe_server.rpc.languages import whisper_language
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.validate_editing import check_editing

MAX_MODEL_NAME_CHARS = 255
MAX_PROMPT_CHARS = 2_000
MAX_HOTWORDS = 200
MAX_HOTWORD_CHARS = 100
MAX_TEMPERATURES = 10
MAX_BEAM_SIZE = 10
MAX_CHANNEL_LABEL_CHARS = 64
MAX_VAD_DURATION_MS = 60_000
MAX_SPEECH_PAD_MS = 5_000  # twice of it must leave room for speech in a segment of 30 s

_BY_CHANNEL = frozenset({pb.DiarizationConfig.MODE_CHANNEL, pb.DiarizationConfig.MODE_CHANNEL_AND_SPEAKER})


def check_recognition(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    """Note what is wrong with the values of the fields that are honoured."""
    if config.language and whisper_language(config.language) is None:
        violations.add(
            f"{path}.language",
            f'{shown(config.language)} is no language that can be transcribed; write "en"',
        )
    if len(config.model) > MAX_MODEL_NAME_CHARS:
        violations.add(f"{path}.model", f"is longer than {MAX_MODEL_NAME_CHARS} characters")
    if len(config.initial_prompt) > MAX_PROMPT_CHARS:
        violations.add(f"{path}.initial_prompt", f"is longer than {MAX_PROMPT_CHARS} characters")
    _check_hotwords(config, path, violations)
    _check_channels(config, path, violations)
    check_editing(config, path, violations)
    _check_voice_activity(config.vad, f"{path}.vad", violations)
    if (
        config.operating_point == pb.OPERATING_POINT_SEQUENTIAL
        and config.vad.mode == pb.VoiceActivityConfig.MODE_UNSPECIFIED
    ):
        _refuse_without_voice_activity(config.vad, f"{path}.vad", violations)
    _check_decoding(config.decoding, f"{path}.decoding", violations)


def separates_channels(config: pb.RecognitionConfig) -> bool:
    """Whether each channel is heard apart."""
    return config.channel_separation or config.diarization.mode in _BY_CHANNEL


def check_duration(message: Duration, max_ms: int, path: str, violations: Violations) -> None:
    """Check a duration from 0 to `max_ms`; unset passes."""
    if not 0 <= duration_ms(message) <= max_ms or message.nanos < 0:
        violations.add(path, f"must be from 0 to {max_ms / 1_000:g} seconds")


def _check_hotwords(config: pb.RecognitionConfig, path: str, violations: Violations) -> None:
    if len(config.hotwords) > MAX_HOTWORDS:
        violations.add(f"{path}.hotwords", f"holds {len(config.hotwords)} entries, at most {MAX_HOTWORDS} are taken")
        return
    for index, hotword in enumerate(config.hotwords):
        if not hotword.strip():
            violations.add(f"{path}.hotwords[{index}]", "is empty")
        elif len(hotword) > MAX_HOTWORD_CHARS:
            violations.add(f"{path}.hotwords[{index}]", f"is longer than {MAX_HOTWORD_CHARS} characters")


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
        if not label.strip() or len(label) > MAX_CHANNEL_LABEL_CHARS or not label.isprintable():
            violations.add(label_path, f"must be 1 to {MAX_CHANNEL_LABEL_CHARS} printable characters")
        elif label in labels[:index]:
            violations.add(label_path, "is the label of another channel")


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


def _check_decoding(decoding: pb.DecodingConfig, path: str, violations: Violations) -> None:
    if not 0 <= decoding.beam_size <= MAX_BEAM_SIZE:
        violations.add(f"{path}.beam_size", f"must be from 1 to {MAX_BEAM_SIZE}, or 0 for the operating point's")
    if len(decoding.temperatures) > MAX_TEMPERATURES:
        violations.add(f"{path}.temperatures", f"at most {MAX_TEMPERATURES} are taken")
        return
    for index, temperature in enumerate(decoding.temperatures):
        if not 0 <= temperature <= 1:
            violations.add(f"{path}.temperatures[{index}]", "must be from 0 to 1")
