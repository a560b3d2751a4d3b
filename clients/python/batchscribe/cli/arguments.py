"""Options that several commands share, grouped by what they say of a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

import typer

from batchscribe.cli.wording import span_seconds
from batchscribe.inputs import uri_of
from batchscribe.outputs import output_config
from batchscribe.recognition import RecognitionOptions
from batchscribe.times import duration_of
from batchscribe.v1.recognition_pb2 import DecodingConfig, VoiceActivityConfig
from batchscribe.v1.storage_pb2 import OutputConfig, SubtitleConfig

LayoutWord = Literal["single", "adjacent", "prefix"]
ConflictWord = Literal["overwrite", "skip", "fail"]
Retention = Annotated[
    str, typer.Option(metavar="TIME", help="Keep it so long after its end, as 7d, 36h or 30m; else the server's time.")
]
OperatingPointWord = Literal["standard", "enhanced", "sequential"]

_RECOGNITION = "Recognition"
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
class RecognitionArguments:
    """How files are transcribed."""

    language: Annotated[
        str | None, typer.Option(help="The spoken language, as `en`; detected without.", rich_help_panel=_RECOGNITION)
    ] = None
    model: Annotated[
        str | None, typer.Option(help="A model of `batchscribe model list`.", rich_help_panel=_RECOGNITION)
    ] = None
    translate: Annotated[bool, typer.Option("--translate", help="To English.", rich_help_panel=_RECOGNITION)] = False
    enhanced: Annotated[
        bool, typer.Option("--enhanced", help="More accurate, slower.", rich_help_panel=_RECOGNITION)
    ] = False
    operating_point: Annotated[
        OperatingPointWord | None,
        typer.Option(
            help="Greedy, with a beam of five, or in sequence as faster-whisper does.", rich_help_panel=_RECOGNITION
        ),
    ] = None
    word_times: Annotated[
        bool, typer.Option("--word-times", help="Start and end of each word.", rich_help_panel=_RECOGNITION)
    ] = False
    hotword: Annotated[
        list[str] | None,
        typer.Option(help="A word or phrase that is likely to be said. Repeatable.", rich_help_panel=_RECOGNITION),
    ] = None
    initial_prompt: Annotated[
        str | None, typer.Option(help="Text that sets vocabulary and style.", rich_help_panel=_RECOGNITION)
    ] = None
    beam_size: Annotated[
        int | None, typer.Option(min=1, max=10, help="The width of the beam.", rich_help_panel=_RECOGNITION)
    ] = None
    vad: Annotated[
        bool | None,
        typer.Option("--vad/--no-vad", help="Leave silence out, or transcribe all.", rich_help_panel=_RECOGNITION),
    ] = None
    vad_threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="How sure it must be that 32 ms are speech, 0 to 1.", rich_help_panel=_RECOGNITION
        ),
    ] = None
    vad_min_silence_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="Shorter pauses end no speech.", rich_help_panel=_RECOGNITION)
    ] = None
    vad_min_speech_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="Shorter sounds are no speech.", rich_help_panel=_RECOGNITION)
    ] = None
    vad_speech_pad_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="What is kept around speech.", rich_help_panel=_RECOGNITION)
    ] = None
    start_offset: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Skip what is before.", rich_help_panel=_RECOGNITION)
    ] = None
    end_offset: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Skip what is after.", rich_help_panel=_RECOGNITION)
    ] = None

    def options(self) -> RecognitionOptions:
        """The same in the library's words. What was not given is None. Raises ValueError for a contradiction."""
        return RecognitionOptions(
            language=self.language,
            model=self.model,
            task="translate" if self.translate else None,
            operating_point=self.operating_point or ("enhanced" if self.enhanced else None),
            word_time_offsets=self.word_times or None,
            hotwords=self.hotword or None,
            initial_prompt=self.initial_prompt,
            decoding=None if self.beam_size is None else DecodingConfig(beam_size=self.beam_size),
            vad=self._voice_activity(),
            start_offset_s=self.start_offset,
            end_offset_s=self.end_offset,
        )

    def _voice_activity(self) -> VoiceActivityConfig | bool | None:
        lengths_ms = {
            "min_silence": self.vad_min_silence_ms,
            "min_speech": self.vad_min_speech_ms,
            "speech_pad": self.vad_speech_pad_ms,
        }
        lengths = {name: duration_of(ms / 1000) for name, ms in lengths_ms.items() if ms is not None}
        if self.vad_threshold is None and not lengths:
            return self.vad
        if self.vad is False:
            raise ValueError("--no-vad transcribes all: it leaves nothing for the other --vad options to decide")
        mode = VoiceActivityConfig.MODE_AUTO if self.vad else VoiceActivityConfig.MODE_UNSPECIFIED
        return VoiceActivityConfig(mode=mode, threshold=self.vad_threshold, **lengths)


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

    def config(self) -> SubtitleConfig | None:
        """The same as a message; None where nothing was given."""
        if self.max_line_width is None and self.max_lines is None and self.max_chars_per_second is None:
            return None
        return SubtitleConfig(
            max_line_width=self.max_line_width or 0,
            max_lines=self.max_lines or 0,
            max_chars_per_second=self.max_chars_per_second or 0.0,
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
