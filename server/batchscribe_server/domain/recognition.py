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


MAX_SEPARATE_CHANNELS = 9
"""The most channels of a file that are heard apart."""


class UnsureLanguage(StrEnum):
    """What to do with a language that was detected with too little confidence."""

    USE = "use"
    USE_DEFAULT = "use_default"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class LanguageDetection:
    """How a language is detected: among `candidates`, or all that the model knows.

    One that is less probable than `threshold`, 0 to 1, is unsure; `default` is the language of USE_DEFAULT.
    """

    candidates: tuple[str, ...] = ()
    threshold: float = 0.0
    unsure: UnsureLanguage = UnsureLanguage.USE
    default: str = ""


@dataclass(frozen=True, slots=True)
class Decoding:
    """How the model's decoder searches and is checked; None leaves a value to the service.

    `beam_size` 0 and empty `temperatures` follow the operating point. `suppressed_phrases` are never written.
    """

    beam_size: int = 0
    temperatures: tuple[float, ...] = ()
    length_penalty: float | None = None
    repetition_penalty: float | None = None
    no_repeat_ngram_size: int = 0
    compression_ratio_threshold: float | None = None
    log_prob_threshold: float | None = None
    no_speech_threshold: float | None = None
    suppressed_phrases: tuple[str, ...] = ()


class DiarizationMode(StrEnum):
    """Who speaks is told by voice, by channel, or by voice within each channel."""

    SPEAKER = "speaker"
    CHANNEL = "channel"
    CHANNEL_AND_SPEAKER = "channel_and_speaker"


class SummaryStyle(StrEnum):
    """A list of points, or running text."""

    BULLETS = "bullets"
    PARAGRAPHS = "paragraphs"


class SummaryLength(StrEnum):
    """A few sentences, a paragraph or so, about a page."""

    SHORT = "short"
    MEDIUM = "medium"
    LONG = "long"


class ProfanityFilter(StrEnum):
    """Profane words stay, keep their first letter alone, or are left out."""

    NONE = "none"
    MASK = "mask"
    REMOVE = "remove"


class RedactionCategory(StrEnum):
    """What is blackened."""

    NUMBERS = "numbers"
    CARD_NUMBERS = "card_numbers"
    PHONE_NUMBERS = "phone_numbers"
    EMAIL_ADDRESSES = "email_addresses"


class TranscriptFormat(StrEnum):
    """What a transcript is written as; the value is the file's suffix."""

    TEXT = "txt"
    SRT = "srt"
    VTT = "vtt"
    JSON = "json"
    JSON_V2 = "v2.json"
    IBM_JSON = "ibm.json"
    TSV = "tsv"
    SUMMARY = "summary.txt"

    @property
    def media_type(self) -> str:
        """The MIME type it is served as."""
        return {
            TranscriptFormat.TEXT: "text/plain; charset=utf-8",
            TranscriptFormat.SRT: "application/x-subrip; charset=utf-8",
            TranscriptFormat.VTT: "text/vtt; charset=utf-8",
            TranscriptFormat.JSON: "application/json",
            TranscriptFormat.JSON_V2: "application/json",
            TranscriptFormat.IBM_JSON: "application/json",
            TranscriptFormat.TSV: "text/tab-separated-values; charset=utf-8",
            TranscriptFormat.SUMMARY: "text/plain; charset=utf-8",
        }[self]

    @property
    def needs_word_times(self) -> bool:
        """Whether each word, or the cue it stands in, is given a time."""
        return self in {TranscriptFormat.SRT, TranscriptFormat.VTT, TranscriptFormat.JSON_V2, TranscriptFormat.IBM_JSON}


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
class Diarization:
    """How it is told who speaks; 0 speakers leave the number open. `channel_labels` name the channels from 0 on."""

    mode: DiarizationMode
    min_speakers: int = 0
    max_speakers: int = 0
    channel_labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is blackened in the text; no categories stand for numbers."""

    categories: tuple[RedactionCategory, ...] = ()


@dataclass(frozen=True, slots=True)
class Replacement:
    """`to` is written for the words `pattern`, whatever their case; with `regex` for what the expression matches."""

    pattern: str
    to: str = ""
    regex: bool = False


@dataclass(frozen=True, slots=True)
class SummaryConfig:
    """How a summary is laid out, and how long it is."""

    style: SummaryStyle
    length: SummaryLength = SummaryLength.MEDIUM


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """How one file is transcribed. Empty `language` is detected per file; empty `model` is the server's default.

    What lies before `start_offset_ms` or after `end_offset_ms`, if that is not 0, is not heard.
    """

    language: str = ""
    detection: LanguageDetection = field(default_factory=LanguageDetection)
    model: str = ""
    task: Task = Task.TRANSCRIBE
    operating_point: OperatingPoint = OperatingPoint.STANDARD
    word_time_offsets: bool = False
    word_confidence: bool = False
    channel_separation: bool = False
    diarization: Diarization | None = None
    voice_activity: VoiceActivity = field(default_factory=VoiceActivity)
    hotwords: tuple[str, ...] = ()
    initial_prompt: str = ""
    enable_entities: bool = False
    speech_analytics: bool = False
    summary: SummaryConfig | None = None
    start_offset_ms: int = 0
    end_offset_ms: int = 0
    decoding: Decoding = field(default_factory=Decoding)
    disfluency_removal: bool = False
    smart_formatting: bool = False
    replacements: tuple[Replacement, ...] = ()
    profanity_filter: ProfanityFilter = ProfanityFilter.NONE
    redaction: Redaction | None = None

    def language_of_text(self, spoken: str) -> str:
        """The language that is written where `spoken` is heard."""
        return "en" if self.task is Task.TRANSLATE else spoken

    @property
    def effective_beam_size(self) -> int:
        """The beam that is decoded with."""
        return self.decoding.beam_size or (1 if self.operating_point is OperatingPoint.STANDARD else 5)

    @property
    def separates_channels(self) -> bool:
        """Whether each channel is heard apart."""
        by_channel = self.diarization is not None and self.diarization.mode is not DiarizationMode.SPEAKER
        return self.channel_separation or by_channel

    @property
    def tells_speakers(self) -> bool:
        """Whether voices are told apart."""
        return self.diarization is not None and self.diarization.mode is not DiarizationMode.CHANNEL

    @property
    def needs_word_times(self) -> bool:
        """Turns begin and end at words, so their times are needed also where the client did not ask for them."""
        return self.word_time_offsets or self.word_confidence or self.separates_channels or self.tells_speakers

    @property
    def wants_analysis(self) -> bool:
        """Whether the transcript is analysed."""
        return self.enable_entities or self.speech_analytics or self.summary is not None

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
    file_per_channel: bool = False
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
        """Some formats tell when words are said, so times are needed even where the client did not ask for them."""
        return any(format.needs_word_times for format in self.formats)
