"""The fields of RecognitionConfig as options, grouped as people look for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import typer

from batchscribe.recognition import RecognitionOptions
from batchscribe.states import enum_number
from batchscribe.times import duration_of
from batchscribe.v1.recognition_pb2 import (
    DecodingConfig,
    DiarizationConfig,
    RedactionConfig,
    Replacement,
    SummaryConfig,
    VoiceActivityConfig,
)

OperatingPointWord = Literal["standard", "enhanced", "sequential"]
TaskWord = Literal["transcribe", "translate"]
UnsureWord = Literal["use", "use_default", "fail"]
DiarizationWord = Literal["speaker", "channel", "channel_and_speaker"]
ProfanityWord = Literal["none", "mask", "remove"]
SummaryWord = Literal["bullets", "paragraphs"]
LengthWord = Literal["short", "medium", "long"]

_RECOGNITION = "Recognition"
_VOICE_ACTIVITY = "Voice activity"
_DECODING = "Decoding"
_SPEAKERS = "Speakers and channels"
_TEXT = "Text"
_MEANING = "Meaning"


class RedactionWord(StrEnum):
    """What can be masked."""

    NUMBERS = "numbers"
    CARD_NUMBERS = "card_numbers"
    PHONE_NUMBERS = "phone_numbers"
    EMAIL_ADDRESSES = "email_addresses"
    NAMES = "names"


@dataclass(frozen=True, slots=True)
class RecognitionArguments:
    """How files are transcribed."""

    language: Annotated[
        str | None, typer.Option(help="The spoken language, as `en`; detected without.", rich_help_panel=_RECOGNITION)
    ] = None
    candidate_languages: Annotated[
        list[str] | None,
        typer.Option(
            "--candidate-languages",
            "--candidate-language",
            help="Detect one of these only. Repeatable.",
            rich_help_panel=_RECOGNITION,
        ),
    ] = None
    language_confidence_threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="P", help="How sure detection must be.", rich_help_panel=_RECOGNITION),
    ] = None
    low_confidence_action: Annotated[
        UnsureWord | None,
        typer.Option(help="What to do when it is less sure.", rich_help_panel=_RECOGNITION),
    ] = None
    default_language: Annotated[
        str | None, typer.Option(help="The language of `use_default`.", rich_help_panel=_RECOGNITION)
    ] = None
    model: Annotated[
        str | None, typer.Option(help="A model of `batchscribe model list`.", rich_help_panel=_RECOGNITION)
    ] = None
    language_model: Annotated[
        str | None, typer.Option(help="A language model of the server's.", rich_help_panel=_RECOGNITION)
    ] = None
    acoustic_model: Annotated[
        str | None, typer.Option(help="An acoustic model of the server's.", rich_help_panel=_RECOGNITION)
    ] = None
    customization_weight: Annotated[
        float | None, typer.Option(help="The weight of a language model.", rich_help_panel=_RECOGNITION)
    ] = None
    task: Annotated[
        TaskWord | None, typer.Option(help="Write down what is said, or its English.", rich_help_panel=_RECOGNITION)
    ] = None
    translate: Annotated[
        bool, typer.Option("--translate", help="The same as --task translate.", rich_help_panel=_RECOGNITION)
    ] = False
    operating_point: Annotated[
        OperatingPointWord | None,
        typer.Option(
            help="Greedy, with a beam of five, or in sequence as faster-whisper does.", rich_help_panel=_RECOGNITION
        ),
    ] = None
    enhanced: Annotated[
        bool,
        typer.Option("--enhanced", help="The same as --operating-point enhanced.", rich_help_panel=_RECOGNITION),
    ] = False
    word_time_offsets: Annotated[
        bool,
        typer.Option(
            "--word-time-offsets", "--word-times", help="Start and end of each word.", rich_help_panel=_RECOGNITION
        ),
    ] = False
    word_confidence: Annotated[
        bool, typer.Option("--word-confidence", help="How sure each word is.", rich_help_panel=_RECOGNITION)
    ] = False
    hotwords: Annotated[
        list[str] | None,
        typer.Option(
            "--hotwords",
            "--hotword",
            help="A word or phrase that is likely to be said. Repeatable.",
            rich_help_panel=_RECOGNITION,
        ),
    ] = None
    initial_prompt: Annotated[
        str | None, typer.Option(help="Text that sets vocabulary and style.", rich_help_panel=_RECOGNITION)
    ] = None
    start_offset: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Skip what is before.", rich_help_panel=_RECOGNITION)
    ] = None
    end_offset: Annotated[
        float | None, typer.Option(min=0, metavar="S", help="Skip what is after.", rich_help_panel=_RECOGNITION)
    ] = None

    diarization: Annotated[
        DiarizationWord | None,
        typer.Option(help="Tell who speaks by voice, by channel, or both.", rich_help_panel=_SPEAKERS),
    ] = None
    min_speakers: Annotated[int | None, typer.Option(min=1, help="The fewest speakers.", rich_help_panel=_SPEAKERS)] = (
        None
    )
    max_speakers: Annotated[int | None, typer.Option(min=1, help="The most speakers.", rich_help_panel=_SPEAKERS)] = (
        None
    )
    channel_separation: Annotated[
        bool,
        typer.Option("--channel-separation", help="Transcribe each channel apart.", rich_help_panel=_SPEAKERS),
    ] = False
    channel_labels: Annotated[
        list[str] | None,
        typer.Option(
            "--channel-labels",
            "--channel-label",
            help="The name of the next channel, from the first on. Repeatable.",
            rich_help_panel=_SPEAKERS,
        ),
    ] = None

    smart_formatting: Annotated[
        bool,
        typer.Option(
            "--smart-formatting", help="Numbers, dates and money as people write them.", rich_help_panel=_TEXT
        ),
    ] = False
    disfluency_removal: Annotated[
        bool, typer.Option("--disfluency-removal", help="Leave out um, uh and the like.", rich_help_panel=_TEXT)
    ] = False
    profanity_filter: Annotated[
        ProfanityWord | None, typer.Option(help="Mask swear words, or remove them.", rich_help_panel=_TEXT)
    ] = None
    redaction: Annotated[
        list[RedactionWord] | None, typer.Option(help="Mask these. Repeatable.", rich_help_panel=_TEXT)
    ] = None
    replacements: Annotated[
        list[str] | None,
        typer.Option(
            "--replacements",
            "--replacement",
            metavar="FROM=TO",
            help="Write TO for the words FROM. Repeatable.",
            rich_help_panel=_TEXT,
        ),
    ] = None
    regex_replacements: Annotated[
        list[str] | None,
        typer.Option(
            "--regex-replacements",
            "--regex-replacement",
            metavar="REGEX=TO",
            help="Write TO for what the expression matches. Repeatable.",
            rich_help_panel=_TEXT,
        ),
    ] = None

    enable_entities: Annotated[
        bool, typer.Option("--enable-entities", help="Find names, dates, sums.", rich_help_panel=_MEANING)
    ] = False
    speech_analytics: Annotated[
        bool,
        typer.Option("--speech-analytics", help="Keywords, topics, sentiment, talk times.", rich_help_panel=_MEANING),
    ] = False
    summary: Annotated[SummaryWord | None, typer.Option(help="Sum it up.", rich_help_panel=_MEANING)] = None
    summary_length: Annotated[
        LengthWord | None, typer.Option(help="How long the summary is.", rich_help_panel=_MEANING)
    ] = None

    vad: Annotated[
        bool | None,
        typer.Option("--vad/--no-vad", help="Leave silence out, or transcribe all.", rich_help_panel=_VOICE_ACTIVITY),
    ] = None
    vad_threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="How sure it must be that 32 ms are speech, 0 to 1.", rich_help_panel=_VOICE_ACTIVITY
        ),
    ] = None
    vad_min_silence_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="Shorter pauses end no speech.", rich_help_panel=_VOICE_ACTIVITY)
    ] = None
    vad_min_speech_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="Shorter sounds are no speech.", rich_help_panel=_VOICE_ACTIVITY)
    ] = None
    vad_speech_pad_ms: Annotated[
        int | None, typer.Option(metavar="MS", help="What is kept around speech.", rich_help_panel=_VOICE_ACTIVITY)
    ] = None

    beam_size: Annotated[
        int | None, typer.Option(min=1, max=10, help="The width of the beam.", rich_help_panel=_DECODING)
    ] = None
    temperatures: Annotated[
        list[float] | None,
        typer.Option(
            "--temperatures",
            "--temperature",
            help="Temperatures to try in order while the result looks wrong. Repeatable.",
            rich_help_panel=_DECODING,
        ),
    ] = None
    length_penalty: Annotated[
        float | None, typer.Option(help="The exponent of a result's length.", rich_help_panel=_DECODING)
    ] = None
    repetition_penalty: Annotated[
        float | None, typer.Option(help="Above 1, repeating costs.", rich_help_panel=_DECODING)
    ] = None
    no_repeat_ngram_size: Annotated[
        int | None, typer.Option(help="Repeat no so many tokens.", rich_help_panel=_DECODING)
    ] = None
    compression_ratio_threshold: Annotated[
        float | None, typer.Option(help="Above it a text looks repeated.", rich_help_panel=_DECODING)
    ] = None
    log_prob_threshold: Annotated[
        float | None, typer.Option(help="Below it a text looks wrong.", rich_help_panel=_DECODING)
    ] = None
    no_speech_threshold: Annotated[
        float | None, typer.Option(help="Above it an unsure text is silence.", rich_help_panel=_DECODING)
    ] = None
    suppressed_phrases: Annotated[
        list[str] | None,
        typer.Option(
            "--suppressed-phrases",
            "--suppressed-phrase",
            help="A phrase that is never written. Repeatable.",
            rich_help_panel=_DECODING,
        ),
    ] = None

    def options(self) -> RecognitionOptions:
        """The same in the library's words. What was not given is None. Raises ValueError for a contradiction."""
        return RecognitionOptions(
            language=self.language,
            candidate_languages=self.candidate_languages or None,
            language_confidence_threshold=self.language_confidence_threshold,
            low_confidence_action=self.low_confidence_action,
            default_language=self.default_language,
            model=self.model,
            language_model=self.language_model,
            acoustic_model=self.acoustic_model,
            customization_weight=self.customization_weight,
            task=_one_of(self.task, self.translate, "translate", "--task"),
            operating_point=_one_of(self.operating_point, self.enhanced, "enhanced", "--operating-point"),
            word_time_offsets=self.word_time_offsets or None,
            word_confidence=self.word_confidence or None,
            hotwords=self.hotwords or None,
            initial_prompt=self.initial_prompt,
            start_offset_s=self.start_offset,
            end_offset_s=self.end_offset,
            diarization=self._diarization(),
            channel_separation=self.channel_separation or None,
            smart_formatting=self.smart_formatting or None,
            disfluency_removal=self.disfluency_removal or None,
            profanity_filter=self.profanity_filter,
            redaction=self._redaction(),
            replacements=self._replacements() or None,
            enable_entities=self.enable_entities or None,
            speech_analytics=self.speech_analytics or None,
            summary=self._summary(),
            vad=self._voice_activity(),
            decoding=self._decoding(),
        )

    def _diarization(self) -> DiarizationConfig | None:
        given = _given(
            min_speakers=self.min_speakers, max_speakers=self.max_speakers, channel_labels=self.channel_labels or None
        )
        if self.diarization is None and not given:
            return None
        config = DiarizationConfig(**given)
        if self.diarization is not None:
            config.mode = DiarizationConfig.Mode.ValueType(
                enum_number(DiarizationConfig.Mode.DESCRIPTOR, self.diarization)
            )
        elif self.channel_labels and self.channel_separation and len(given) == 1:
            config.mode = DiarizationConfig.MODE_CHANNEL
        else:
            raise ValueError("--min-speakers, --max-speakers and --channel-labels need --diarization")
        return config

    def _redaction(self) -> RedactionConfig | None:
        if not self.redaction:
            return None
        categories = [enum_number(RedactionConfig.Category.DESCRIPTOR, word) for word in self.redaction]
        return RedactionConfig(enabled=True, categories=[RedactionConfig.Category.ValueType(n) for n in categories])

    def _replacements(self) -> list[Replacement]:
        return [
            *(_replacement(pair, regex=False) for pair in self.replacements or ()),
            *(_replacement(pair, regex=True) for pair in self.regex_replacements or ()),
        ]

    def _summary(self) -> SummaryConfig | None:
        if self.summary is None and self.summary_length is None:
            return None
        return SummaryConfig(
            style=SummaryConfig.Style.ValueType(enum_number(SummaryConfig.Style.DESCRIPTOR, self.summary or 0)),
            length=SummaryConfig.Length.ValueType(
                enum_number(SummaryConfig.Length.DESCRIPTOR, self.summary_length or 0)
            ),
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

    def _decoding(self) -> DecodingConfig | None:
        given = _given(
            beam_size=self.beam_size,
            temperatures=self.temperatures or None,
            length_penalty=self.length_penalty,
            repetition_penalty=self.repetition_penalty,
            no_repeat_ngram_size=self.no_repeat_ngram_size,
            compression_ratio_threshold=self.compression_ratio_threshold,
            log_prob_threshold=self.log_prob_threshold,
            no_speech_threshold=self.no_speech_threshold,
            suppressed_phrases=self.suppressed_phrases or None,
        )
        return DecodingConfig(**given) if given else None


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _one_of(word: str | None, flag: bool, flag_word: str, option: str) -> str | None:
    if flag and word not in (None, flag_word):
        raise ValueError(f"{option} {word} and --{flag_word} contradict each other")
    return flag_word if flag else word


def _replacement(pair: str, *, regex: bool) -> Replacement:
    written, equals, to = pair.partition("=")
    if not written or not equals:
        raise ValueError(f"{pair}: a replacement is FROM=TO")
    message = Replacement(to=to, regex=regex)
    setattr(message, "from", written)
    return message
