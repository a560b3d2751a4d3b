"""Where transcripts go and as what they are written."""

from __future__ import annotations

from collections.abc import Sequence

from batchscribe.states import enum_number, enum_word
from batchscribe.v1.storage_pb2 import (
    TRANSCRIPT_FORMAT_IBM_JSON,
    TRANSCRIPT_FORMAT_JSON_V2,
    TRANSCRIPT_FORMAT_SUMMARY,
    TRANSCRIPT_FORMAT_TEXT,
    OnConflict,
    OutputConfig,
    OutputLayout,
    StorageAuth,
    SubtitleConfig,
    TranscriptFormat,
)

# Of the formats whose files don't end with their own word.
_SUFFIXES: dict[int, str] = {
    TRANSCRIPT_FORMAT_JSON_V2: "v2.json",
    TRANSCRIPT_FORMAT_IBM_JSON: "ibm.json",
    TRANSCRIPT_FORMAT_SUMMARY: "summary.txt",
}


def transcript_format(word: str | int) -> TranscriptFormat.ValueType:
    """The format that a word names: `txt` or `text`, `srt`, `vtt`, `json`, … Raises ValueError for others."""
    if word == "txt":
        return TRANSCRIPT_FORMAT_TEXT
    return TranscriptFormat.ValueType(enum_number(TranscriptFormat.DESCRIPTOR, word))


def format_word(format: int) -> str:
    """The word for a format: `txt`, `srt`, `json_v2`."""
    return "txt" if format == TRANSCRIPT_FORMAT_TEXT else enum_word(TranscriptFormat.DESCRIPTOR, format).lower()


def format_suffix(word: str | int) -> str:
    """How the files end that hold a format: `txt`, `srt`, `v2.json`. Raises ValueError for a word that is no format."""
    format = transcript_format(word)
    return _SUFFIXES.get(format, format_word(format))


def output_of(output: OutputConfig | str | None, formats: Sequence[str | int]) -> OutputConfig | None:
    """An output given as a message, as a URI, or by the formats alone that are going to be read or written.

    Raises ValueError for a word that is no format, and for formats beside a message that names others.
    """
    if not isinstance(output, OutputConfig):
        return output_config(output or "", formats=formats) if output or formats else None
    if not formats:
        return output
    if output.formats:
        raise ValueError("give the formats in the OutputConfig or as `formats`, not both")
    merged = output_config(formats=formats)
    merged.MergeFrom(output)
    return merged


def output_config(
    uri: str = "",
    *,
    layout: str | None = None,
    formats: Sequence[str | int] = (),
    auth: StorageAuth | None = None,
    location: str = "",
    file_per_channel: bool = False,
    on_conflict: str | None = None,
    remove_stale: bool = False,
    write_notice: bool | None = None,
    write_report: bool = False,
    subtitles: SubtitleConfig | None = None,
) -> OutputConfig:
    """An OutputConfig of words: layouts `single`, `adjacent` and `prefix`; `on_conflict` `overwrite`, `skip`, `fail`.

    Without `uri`, and unless the layout is `adjacent`, the service keeps the transcripts. Raises ValueError for a word
    that is no value.
    """
    return OutputConfig(
        layout=OutputLayout.ValueType(enum_number(OutputLayout.DESCRIPTOR, layout or 0)),
        uri=uri,
        auth=auth,
        location=location,
        formats=[transcript_format(format) for format in formats],
        file_per_channel=file_per_channel,
        on_conflict=OnConflict.ValueType(enum_number(OnConflict.DESCRIPTOR, on_conflict or 0)),
        remove_stale=remove_stale,
        write_notice=write_notice,
        write_report=write_report,
        subtitles=subtitles,
    )
