"""Options that several commands share, but for those of recognition: outputs, subtitles, records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import typer

from batchscribe.cli.wording import span_seconds
from batchscribe.inputs import uri_of
from batchscribe.outputs import output_config
from batchscribe.v1.storage_pb2 import OutputConfig, SubtitleConfig

LayoutWord = Literal["single", "adjacent", "prefix"]
ConflictWord = Literal["overwrite", "skip", "fail"]
Retention = Annotated[
    str, typer.Option(metavar="TIME", help="Keep it so long after its end, as 7d, 36h or 30m; else the server's time.")
]

_OUTPUT = "Output"
_SUBTITLES = "Subtitles"


class FormatWord(StrEnum):
    """The formats of transcripts."""

    TXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    JSON_V2 = "json_v2"
    IBM_JSON = "ibm_json"
    TSV = "tsv"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True)
class SubtitleArguments:
    """How subtitles are cut."""

    max_line_width: Annotated[
        int | None, typer.Option(help="The longest line, in characters.", rich_help_panel=_SUBTITLES)
    ] = None
    max_lines: Annotated[int | None, typer.Option(help="The most lines of a cue.", rich_help_panel=_SUBTITLES)] = None
    max_chars_per_second: Annotated[
        float | None, typer.Option(help="The reading speed to cut cues for.", rich_help_panel=_SUBTITLES)
    ] = None
    start_index: Annotated[
        int | None, typer.Option(help="The number of the first SubRip cue.", rich_help_panel=_SUBTITLES)
    ] = None

    def config(self) -> SubtitleConfig | None:
        """The same as a message; None where nothing was given."""
        if self == SubtitleArguments():
            return None
        return SubtitleConfig(
            max_line_width=self.max_line_width or 0,
            max_lines=self.max_lines or 0,
            max_chars_per_second=self.max_chars_per_second or 0.0,
            start_index=self.start_index,
        )


@dataclass(frozen=True, slots=True)
class OutputArguments:
    """Where the server writes transcripts."""

    output: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="Where the server writes; a path is one of the server's machine. Without, it keeps the transcripts.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None
    layout: Annotated[
        LayoutWord | None,
        typer.Option(help="One file, next to the input, or the input's tree mirrored.", rich_help_panel=_OUTPUT),
    ] = None
    format: Annotated[
        list[FormatWord] | None,
        typer.Option(help="What is written for each file. Repeatable.", rich_help_panel=_OUTPUT),
    ] = None
    file_per_channel: Annotated[
        bool,
        typer.Option("--file-per-channel", help="Write one of each channel too.", rich_help_panel=_OUTPUT),
    ] = False
    on_conflict: Annotated[
        ConflictWord | None, typer.Option(help="When an output exists already.", rich_help_panel=_OUTPUT)
    ] = None
    remove_stale: Annotated[
        bool,
        typer.Option("--remove-stale", help="Remove what an earlier run left behind.", rich_help_panel=_OUTPUT),
    ] = False

    def config(self, subtitles: SubtitleConfig | None, *, write_report: bool = False) -> OutputConfig | None:
        """The same as a message; None where nothing was given."""
        if subtitles is None and not write_report and self == OutputArguments():
            return None
        return output_config(
            uri_of(self.output) if self.output else "",
            layout=self.layout,
            formats=self.format or (),
            file_per_channel=self.file_per_channel,
            on_conflict=self.on_conflict,
            remove_stale=self.remove_stale,
            write_report=write_report,
            subtitles=subtitles,
        )


@dataclass(frozen=True, slots=True)
class RecordArguments:
    """What the record of a job or a batch says of itself."""

    display_name: Annotated[str, typer.Option(help="A name for people.")] = ""
    reference_id: Annotated[str, typer.Option(help="Your own id.")] = ""
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A label. Repeatable.")] = None
    priority: Annotated[int, typer.Option(min=-100, max=100, help="Higher starts first.")] = 0
    retention: Retention = ""

    def retention_s(self) -> float | None:
        """How long it is to be kept; None leaves that to the server. Raises ValueError for what is no time."""
        return span_seconds(self.retention) if self.retention else None

    def labels(self) -> dict[str, str]:
        """The labels by key. Raises ValueError for one that is not KEY=VALUE."""
        return dict(_key_and_value(label) for label in self.label or ())


def _key_and_value(label: str) -> tuple[str, str]:
    key, equals, value = label.partition("=")
    if not key or not equals:
        raise ValueError(f"--label {label}: a label is KEY=VALUE")
    return key, value
