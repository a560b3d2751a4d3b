"""Inputs and outputs, from message to domain and back. Messages were validated."""

from __future__ import annotations

from batchscribe.v1 import recognition_pb2
from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.batch import (
    BatchInput,
    ManifestEntry,
    ManifestInput,
    ManifestObjectInput,
    PrefixInput,
    SingleInput,
)
from batchscribe_server.domain.media import is_upload
from batchscribe_server.domain.recognition import (
    OnConflict,
    OutputConfig,
    OutputLayout,
    RecognitionConfig,
    SubtitleConfig,
    TranscriptFormat,
)
from batchscribe_server.domain.url import shown_url
from batchscribe_server.rpc.convert_recognition import as_written, recognition_config, recognition_config_message
from batchscribe_server.rpc.merge_config import EntryConfigs, difference, has_own_config

_LAYOUTS = {
    pb.OUTPUT_LAYOUT_SINGLE: OutputLayout.SINGLE,
    pb.OUTPUT_LAYOUT_ADJACENT: OutputLayout.ADJACENT,
    pb.OUTPUT_LAYOUT_PREFIX: OutputLayout.PREFIX,
}
_LAYOUT_MESSAGES = {layout: message for message, layout in _LAYOUTS.items()}
_FORMATS = {
    pb.TRANSCRIPT_FORMAT_TEXT: TranscriptFormat.TEXT,
    pb.TRANSCRIPT_FORMAT_SRT: TranscriptFormat.SRT,
    pb.TRANSCRIPT_FORMAT_VTT: TranscriptFormat.VTT,
    pb.TRANSCRIPT_FORMAT_JSON: TranscriptFormat.JSON,
    pb.TRANSCRIPT_FORMAT_JSON_V2: TranscriptFormat.JSON_V2,
    pb.TRANSCRIPT_FORMAT_IBM_JSON: TranscriptFormat.IBM_JSON,
    pb.TRANSCRIPT_FORMAT_TSV: TranscriptFormat.TSV,
    pb.TRANSCRIPT_FORMAT_SUMMARY: TranscriptFormat.SUMMARY,
}
_FORMAT_MESSAGES = {format: message for message, format in _FORMATS.items()}
_CONFLICTS = {
    pb.ON_CONFLICT_OVERWRITE: OnConflict.OVERWRITE,
    pb.ON_CONFLICT_SKIP: OnConflict.SKIP,
    pb.ON_CONFLICT_FAIL: OnConflict.FAIL,
}
_CONFLICT_MESSAGES = {conflict: message for message, conflict in _CONFLICTS.items()}


def transcript_format(message: pb.TranscriptFormat.ValueType) -> TranscriptFormat:
    """The format, JSON where none is named."""
    return _FORMATS.get(message, TranscriptFormat.JSON)


def transcript_format_message(format: TranscriptFormat) -> pb.TranscriptFormat.ValueType:
    """The format as a message has it."""
    return _FORMAT_MESSAGES[format]


def input_uri(message: pb.InputConfig) -> str:
    """The URI of a single input: a file's, an upload's name, or what may be shown of a URL that is fetched."""
    return message.media or message.uri or shown_url(message.fetch.url)


def input_uri_message(uri: str, *, is_fetch: bool = False) -> pb.InputConfig:
    """A single input by its URI."""
    if is_fetch:
        return pb.InputConfig(fetch=pb.FetchInput(url=uri))
    return pb.InputConfig(media=uri) if is_upload(uri) else pb.InputConfig(uri=uri)


def batch_input(message: pb.InputConfig, config: recognition_pb2.RecognitionConfig) -> BatchInput:
    """A batch's input; the configs of manifest entries are laid over the batch's own `config`."""
    match message.WhichOneof("source"):
        case "prefix":
            prefix = message.prefix
            return PrefixInput(prefix.uri, tuple(prefix.include_globs), tuple(prefix.exclude_globs))
        case "manifest" if message.manifest.manifest_uri:
            return ManifestObjectInput(message.manifest.manifest_uri)
        case "manifest":
            configs = EntryConfigs(config, recognition_config)
            return ManifestInput(tuple(manifest_entry(entry, configs) for entry in message.manifest.files))
        case _:
            return SingleInput(input_uri(message), is_fetch=message.HasField("fetch"))


def batch_input_message(input: BatchInput, config: recognition_pb2.RecognitionConfig) -> pb.InputConfig:
    """A batch's input; of the configs of manifest entries what differs from the batch's own `config`."""
    match input:
        case SingleInput(uri, is_fetch):
            return input_uri_message(uri, is_fetch=is_fetch)
        case PrefixInput(uri, include_globs, exclude_globs):
            prefix = pb.PrefixInput(uri=uri, include_globs=include_globs, exclude_globs=exclude_globs)
            return pb.InputConfig(prefix=prefix)
        case ManifestInput(files):
            shown: dict[int, tuple[recognition_pb2.RecognitionConfig, str]] = {}
            entries = [_manifest_entry_message(entry, config, shown) for entry in files]
            return pb.InputConfig(manifest=pb.ManifestInput(files=entries))
        case ManifestObjectInput(uri):
            return pb.InputConfig(manifest=pb.ManifestInput(manifest_uri=uri))


def output_config(message: pb.OutputConfig) -> OutputConfig:
    """Where and as what transcripts are written."""
    formats = dict.fromkeys(transcript_format(format) for format in message.formats)
    return OutputConfig(
        layout=_LAYOUTS.get(message.layout, OutputLayout.PREFIX),
        uri=message.uri,
        formats=tuple(formats) or (TranscriptFormat.JSON,),
        file_per_channel=message.file_per_channel,
        on_conflict=_CONFLICTS.get(message.on_conflict, OnConflict.OVERWRITE),
        remove_stale=message.remove_stale,
        write_notice=message.write_notice if message.HasField("write_notice") else True,
        write_report=message.write_report,
        subtitles=_subtitles(message.subtitles),
    )


def output_config_message(output: OutputConfig) -> pb.OutputConfig:
    """What the client is shown; transcripts that the service keeps have no layout."""
    subtitles = output.subtitles
    return pb.OutputConfig(
        layout=pb.OUTPUT_LAYOUT_UNSPECIFIED if output.kept_by_service else _LAYOUT_MESSAGES[output.layout],
        uri=output.uri,
        formats=[transcript_format_message(format) for format in output.formats],
        file_per_channel=output.file_per_channel,
        on_conflict=_CONFLICT_MESSAGES[output.on_conflict],
        remove_stale=output.remove_stale,
        write_notice=output.write_notice,
        write_report=output.write_report,
        subtitles=pb.SubtitleConfig(
            max_line_width=subtitles.max_line_width,
            max_lines=subtitles.max_lines,
            max_chars_per_second=subtitles.max_chars_per_second,
            start_index=subtitles.start_index,
        ),
    )


def manifest_entry(entry: pb.ManifestEntry, configs: EntryConfigs[RecognitionConfig]) -> ManifestEntry:
    """A file of a manifest, with its config laid over its batch's own."""
    own_config = configs.of(entry) if has_own_config(entry) else None
    return ManifestEntry(entry.uri, entry.reference_id, own_config)


def _manifest_entry_message(
    entry: ManifestEntry,
    base: recognition_pb2.RecognitionConfig,
    shown: dict[int, tuple[recognition_pb2.RecognitionConfig, str]],
) -> pb.ManifestEntry:
    message = pb.ManifestEntry(uri=entry.uri, reference_id=entry.reference_id)
    if entry.config is not None:
        # Entries that have the same config have it as one object.
        if id(entry.config) not in shown:
            shown[id(entry.config)] = difference(base, recognition_config_message(entry.config))
        config, message.config_mask = shown[id(entry.config)]
        message.config.CopyFrom(config)
    return message


def _subtitles(message: pb.SubtitleConfig) -> SubtitleConfig:
    default = SubtitleConfig()
    return SubtitleConfig(
        max_line_width=message.max_line_width or default.max_line_width,
        max_lines=message.max_lines or default.max_lines,
        max_chars_per_second=as_written(message.max_chars_per_second) or default.max_chars_per_second,
        start_index=message.start_index if message.HasField("start_index") else default.start_index,
    )
