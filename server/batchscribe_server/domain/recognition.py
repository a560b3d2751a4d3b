"""What the client asks of recognition and of its outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Task(StrEnum):
    """Write down what is said, or its English translation."""

    TRANSCRIBE = "transcribe"
    TRANSLATE = "translate"


class OperatingPoint(StrEnum):
    """STANDARD decodes greedily, ENHANCED with a beam of five, SEQUENTIAL as faster-whisper does by default: with a
    beam of five, window after window, with the text before as context.
    """

    STANDARD = "standard"
    ENHANCED = "enhanced"
    SEQUENTIAL = "sequential"


class TranscriptFormat(StrEnum):
    """What a transcript is written as; the value is the file's suffix."""

    TEXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"

    @property
    def media_type(self) -> str:
        """The MIME type it is served as."""
        return {
            TranscriptFormat.TEXT: "text/plain; charset=utf-8",
            TranscriptFormat.SRT: "application/x-subrip; charset=utf-8",
            TranscriptFormat.VTT: "text/vtt; charset=utf-8",
            TranscriptFormat.JSON: "application/json",
        }[self]


class OutputLayout(StrEnum):
    """Where outputs go: one file at the output URI, next to the input, or mirrored under the output URI."""

    SINGLE = "single"
    ADJACENT = "adjacent"
    PREFIX = "prefix"


class OnConflict(StrEnum):
    """What to do when an output file exists already."""

    OVERWRITE = "overwrite"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class VoiceActivity:
    """How speech is found; None leaves a value to the service. `enabled` false transcribes silence as well."""

    enabled: bool | None = None
    threshold: float | None = None
    min_silence_ms: int | None = None
    min_speech_ms: int | None = None
    speech_pad_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """How one file is transcribed. Empty `language` is detected per file; empty `model` is the server's default.

    `beam_size` 0 and empty `temperatures` follow the operating point.
    """

    language: str = ""
    model: str = ""
    task: Task = Task.TRANSCRIBE
    operating_point: OperatingPoint = OperatingPoint.STANDARD
    word_time_offsets: bool = False
    word_confidence: bool = False
    voice_activity: VoiceActivity = field(default_factory=VoiceActivity)
    hotwords: tuple[str, ...] = ()
    initial_prompt: str = ""
    beam_size: int = 0
    temperatures: tuple[float, ...] = ()

    @property
    def effective_beam_size(self) -> int:
        """The beam that is decoded with."""
        return self.beam_size or (1 if self.operating_point is OperatingPoint.STANDARD else 5)

    @property
    def finds_speech(self) -> bool:
        """Whether speech is told from silence first. In sequence that is left to the model, unless it is asked for."""
        if self.voice_activity.enabled is not None:
            return self.voice_activity.enabled
        return self.operating_point is not OperatingPoint.SEQUENTIAL


@dataclass(frozen=True, slots=True)
class SubtitleConfig:
    """How subtitle cues are cut: characters a line, lines a cue, reading speed in characters a second."""

    max_line_width: int = 42
    max_lines: int = 2
    max_chars_per_second: float = 20.0
    start_index: int = 1


@dataclass(frozen=True, slots=True)
class OutputConfig:
    """Where and as what transcripts are written. Without a `uri` (unless ADJACENT) the service keeps them.

    `write_report` is of batches alone.
    """

    layout: OutputLayout = OutputLayout.PREFIX
    uri: str = ""
    formats: tuple[TranscriptFormat, ...] = (TranscriptFormat.JSON,)
    on_conflict: OnConflict = OnConflict.OVERWRITE
    remove_stale: bool = False
    write_notice: bool = True
    write_report: bool = False
    subtitles: SubtitleConfig = field(default_factory=SubtitleConfig)

    @property
    def kept_by_service(self) -> bool:
        """True when nothing is written and the transcript is read with GetTranscript."""
        return not self.uri and self.layout is not OutputLayout.ADJACENT

    @property
    def needs_word_times(self) -> bool:
        """Subtitles are cut at words, so their times are needed even where the client did not ask for them."""
        return any(f in (TranscriptFormat.SRT, TranscriptFormat.VTT) for f in self.formats)
