"""What was heard: words, segments and the transcript they make. All times are milliseconds of the input file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.domain.recognition import Task


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its punctuation; `confidence` from 0 to 1. `speaker` is empty where none is told."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech. `index` counts a job's segments from 0 without gaps, in order of their starts.

    `channel` is None where channels are mixed down, `speaker` empty where none is told.
    """

    index: int
    start_ms: int
    end_ms: int
    text: str
    language: str = ""
    confidence: float = 0.0
    words: tuple[Word, ...] = ()
    channel: int | None = None
    speaker: str = ""

    @property
    def word_places(self) -> list[tuple[int, int]] | None:
        """Where in the text each word begins and ends; None where a model's words are not its text's."""
        places: list[tuple[int, int]] = []
        position = 0
        for word in self.words:
            found = self.text.find(word.text, position)
            if found < 0:
                return None
            position = found + len(word.text)
            places.append((found, position))
        return places


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """The language of a file and how sure the model was, 0 to 1; 1 where the client gave it."""

    code: str
    confidence: float


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """What the file turned out to be. `duration_ms` is what its container declares, 0 when it does not.

    Where channels are heard apart, `same_sound_as` names for each the first that sounds the very same, itself for most.
    """

    container: str = ""
    codec: str = ""
    sample_rate_hz: int = 0
    channels: int = 0
    duration_ms: int = 0
    same_sound_as: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole transcript with what its readers want to know of its making; what renderers render.

    `input_uri` is the name of its file where that was uploaded. `analysis` is what was found in it, None where nothing
    was looked for.
    """

    job_name: str
    input_uri: str
    reference_id: str
    model: str
    task: str
    language: DetectedLanguage | None
    media: MediaDescription
    duration_ms: int
    create_time_iso: str
    segments: Sequence[Segment]
    warning: str = ""
    channel_labels: tuple[str, ...] = ()
    analysis: Analysis | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels that are heard apart; none where they are mixed down."""
        return tuple(range(len(self.media.same_sound_as)))

    def party_of(self, segment: Segment) -> str:
        """Who speaks, as people read it: a channel by its label or number, a speaker, or both; empty if not told."""
        channel = "" if segment.channel is None else self.channel_name(segment.channel)
        return ", ".join(filter(None, (channel, segment.speaker)))

    def channel_name(self, channel: int) -> str:
        """A channel as people read it: its label, or its number where it has none."""
        return self.channel_labels[channel] if channel < len(self.channel_labels) else f"Channel {channel}"

    @property
    def tells_parties(self) -> bool:
        """Whether it is known of any segment who speaks."""
        return any(segment.channel is not None or segment.speaker for segment in self.segments)

    @property
    def has_estimated_times(self) -> bool:
        """Whether there is text whose words were never timed, so that formats that time them must estimate."""
        return any(segment.text.strip() and not segment.words for segment in self.segments)

    @property
    def text_language(self) -> str:
        """The language of the text, which of a translation is English; empty where none was detected."""
        if self.task == Task.TRANSLATE:
            return "en"
        return self.language.code if self.language else ""

    def text_language_of(self, segment: Segment) -> str:
        """The language of a segment's text."""
        return self.text_language if self.task == Task.TRANSLATE else segment.language or self.text_language

    @property
    def has_summary(self) -> bool:
        """Whether there is a summary of it, if only an empty one."""
        return self.analysis is not None and self.analysis.summary is not None

    @property
    def text(self) -> str:
        """The text alone, segments joined by spaces."""
        return " ".join(segment.text for segment in self.segments if segment.text)

    def of_channel(self, channel: int) -> Transcript:
        """What is said in one of `channels`; what another one with the very same sound was heard to say.

        An analysis is of all channels together: it is left out.
        """
        source = self.media.same_sound_as[channel]
        of_source = [segment for segment in self.segments if segment.channel == source]
        segments = [replace(segment, index=index, channel=channel) for index, segment in enumerate(of_source)]
        return replace(self, segments=segments, analysis=None)
