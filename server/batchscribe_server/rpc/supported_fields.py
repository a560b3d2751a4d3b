"""Which fields and enum values of requests this server honours; what is set beyond them is refused, never ignored.

The list names what is supported, so that a field added to the contract is refused until someone adds it here. Fields
that the contract marks OUTPUT_ONLY are ignored in requests, as AIP-203 says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf import unknown_fields
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from batchscribe_server.domain.errors import Violations

PACKAGE = "batchscribe.v1"


def _fields(**fields_of_messages: str) -> frozenset[str]:
    return frozenset(
        f"{PACKAGE}.{message}.{field}" for message, fields in fields_of_messages.items() for field in fields.split()
    )


SUPPORTED_FIELDS = _fields(
    # BatchService
    CreateBatchRequest="batch batch_id request_id validate_only",
    GetBatchRequest="name",
    ListBatchesRequest="page_size page_token filter order_by",
    UpdateBatchRequest="batch update_mask",
    CancelBatchRequest="name",
    RetryBatchRequest="name",
    DeleteBatchRequest="name etag delete_outputs",
    WatchBatchRequest="name after_sequence",
    # JobService
    CreateJobRequest="job job_id request_id validate_only",
    UploadMediaRequest="header chunk",
    UploadHeader="file_name size_bytes sha256",
    GetJobRequest="name wait",
    ListJobsRequest="parent page_size page_token filter order_by",
    CancelJobRequest="name",
    RetryJobRequest="name",
    DeleteJobRequest="name etag delete_outputs",
    WatchJobRequest="name after_sequence include_segments",
    GetTranscriptRequest="name format channel",
    # ModelService
    ListModelsRequest="page_size page_token",
    GetModelRequest="name",
    # AdminService
    GetQueueRequest="max_lines",
    DrainReplicaRequest="name",
    ResumeReplicaRequest="name",
    # resources and what they are made of
    Batch="name display_name reference_id labels priority input output config retention",
    Job="display_name reference_id labels priority input output config retention",
    InputConfig="uri prefix manifest fetch media auth",
    FetchInput="url headers",
    StorageAuth="s3 ibm azure profile",
    S3Credentials=(
        "endpoint region access_key_id secret_access_key session_token requester_pays server_side_encryption kms_key_id"
    ),
    IbmCredentials="apikey endpoint resource_instance_id region",
    AzureCredentials="account_url account_key sas_token",
    PrefixInput="uri include_globs exclude_globs",
    ManifestInput="files manifest_uri",
    ManifestEntry="uri reference_id config config_mask",
    OutputConfig=(
        "layout uri auth formats file_per_channel on_conflict remove_stale write_notice write_report subtitles"
    ),
    SubtitleConfig="max_line_width max_lines max_chars_per_second start_index",
    RecognitionConfig=(
        "language candidate_languages low_confidence_action language_confidence_threshold default_language model "
        "operating_point task diarization channel_separation word_time_offsets word_confidence vad hotwords "
        "initial_prompt enable_entities speech_analytics summary start_offset end_offset disfluency_removal "
        "smart_formatting replacements profanity_filter redaction decoding"
    ),
    DiarizationConfig="mode min_speakers max_speakers channel_labels",
    SummaryConfig="style length",
    VoiceActivityConfig="mode threshold min_silence min_speech speech_pad",
    Replacement="from to regex",
    RedactionConfig="enabled categories",
    DecodingConfig=(
        "beam_size temperatures length_penalty repetition_penalty no_repeat_ngram_size compression_ratio_threshold "
        "log_prob_threshold no_speech_threshold suppressed_phrases"
    ),
)

SUPPORTED_VALUES: dict[str, frozenset[str]] = {
    f"{PACKAGE}.{enum}": frozenset(values.split())
    for enum, values in {
        "LowConfidenceAction": (
            "LOW_CONFIDENCE_ACTION_USE LOW_CONFIDENCE_ACTION_USE_DEFAULT LOW_CONFIDENCE_ACTION_FAIL"
        ),
        "OperatingPoint": "OPERATING_POINT_STANDARD OPERATING_POINT_ENHANCED OPERATING_POINT_SEQUENTIAL",
        "Task": "TASK_TRANSCRIBE TASK_TRANSLATE",
        "DiarizationConfig.Mode": "MODE_SPEAKER MODE_CHANNEL MODE_CHANNEL_AND_SPEAKER",
        "SummaryConfig.Style": "STYLE_BULLETS STYLE_PARAGRAPHS",
        "SummaryConfig.Length": "LENGTH_SHORT LENGTH_MEDIUM LENGTH_LONG",
        "VoiceActivityConfig.Mode": "MODE_AUTO MODE_NONE",
        "ServerSideEncryption": "SERVER_SIDE_ENCRYPTION_AES256 SERVER_SIDE_ENCRYPTION_KMS",
        "ProfanityFilter": "PROFANITY_FILTER_NONE PROFANITY_FILTER_MASK PROFANITY_FILTER_REMOVE",
        "RedactionConfig.Category": (
            "CATEGORY_NUMBERS CATEGORY_CARD_NUMBERS CATEGORY_PHONE_NUMBERS CATEGORY_EMAIL_ADDRESSES"
        ),
        "OutputLayout": "OUTPUT_LAYOUT_SINGLE OUTPUT_LAYOUT_ADJACENT OUTPUT_LAYOUT_PREFIX",
        "TranscriptFormat": (
            "TRANSCRIPT_FORMAT_TEXT TRANSCRIPT_FORMAT_SRT TRANSCRIPT_FORMAT_VTT TRANSCRIPT_FORMAT_JSON "
            "TRANSCRIPT_FORMAT_JSON_V2 TRANSCRIPT_FORMAT_IBM_JSON TRANSCRIPT_FORMAT_TSV TRANSCRIPT_FORMAT_SUMMARY"
        ),
        "OnConflict": "ON_CONFLICT_OVERWRITE ON_CONFLICT_SKIP ON_CONFLICT_FAIL",
    }.items()
}
"""The values of enums that supported fields may have, besides 0, which stands for the default."""


def refuse_unsupported(message: Message, violations: Violations, path: str = "") -> None:
    """Note every field that is set and not honoured, by its path, with the reason FIELD_NOT_SUPPORTED.

    Texts are looked at on the way: none may hold a zero byte, which PostgreSQL does not store.
    """
    later_fields: Any = unknown_fields.UnknownFieldSet(message)
    for unknown in later_fields:
        _refuse(join(path, f"(field {unknown.field_number})"), "is of a newer contract than this server's", violations)
    for field, value in message.ListFields():
        field_path = join(path, field.name)
        if is_output_only(field):
            continue
        if field.full_name not in SUPPORTED_FIELDS:
            _refuse(field_path, "is not supported by this server yet; leave it unset", violations)
        elif field.enum_type is not None:
            for value_path, number in _each(field, value, field_path):
                if not is_supported_value(field, number):
                    _refuse(value_path, f"{_value_name(field, number)} is not supported by this server yet", violations)
        elif field.type == FieldDescriptor.TYPE_STRING or _is_map(field):
            _check_texts(field, value, field_path, violations)
        elif is_contract_message(field):
            for value_path, part in _each(field, value, field_path):
                refuse_unsupported(part, violations, value_path)


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether the contract marks the field OUTPUT_ONLY."""
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def is_supported_value(field: FieldDescriptor, number: int) -> bool:
    """Whether an enum field may have the value."""
    assert field.enum_type is not None
    return number == 0 or _value_name(field, number) in SUPPORTED_VALUES.get(field.enum_type.full_name, frozenset())


def is_contract_message(field: FieldDescriptor) -> bool:
    """Whether the field holds messages of the contract whose own fields are to be looked at; maps hold plain text."""
    message = field.message_type
    return message is not None and message.file.package == PACKAGE and not _is_map(field)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _check_texts(field: FieldDescriptor, value: Any, path: str, violations: Violations) -> None:
    if not _is_map(field):
        texts = _each(field, value, path)
    else:
        texts = ((path if "\0" in key else f"{path}[{key}]", key + text) for key, text in value.items())
    for text_path, text in texts:
        if "\0" in text:
            violations.add(text_path, "holds a zero byte, which no text may")


def _refuse(path: str, description: str, violations: Violations) -> None:
    violations.add(path, description, "FIELD_NOT_SUPPORTED")


def _value_name(field: FieldDescriptor, number: int) -> str:
    assert field.enum_type is not None
    value = field.enum_type.values_by_number.get(number)
    return value.name if value else str(number)


def _each(field: FieldDescriptor, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if not field.is_repeated:
        yield path, value
        return
    items: Iterable[Any] = value
    for index, item in enumerate(items):
        yield f"{path}[{index}]", item


def join(path: str, name: str) -> str:
    """The path of a field in the message of that path, which is empty for the outermost."""
    return f"{path}.{name}" if path else name
