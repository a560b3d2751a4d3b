"""What an analysis of a transcript found: entities, how the parties spoke, a summary. Times are as in transcripts.

A party is as people read it (`Transcript.party_of`), and empty where nobody is told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from batchscribe_server.domain.recognition import SummaryLength, SummaryStyle


class Maker(StrEnum):
    """Who made a part of an analysis: rules and statistics of the service's own, or the operator's language model."""

    EMBEDDED = "embedded"
    LANGUAGE_MODEL = "language_model"


class EntityKind(StrEnum):
    """What a piece of text names. The last three are found by a language model alone."""

    DATE = "date"
    TIME = "time"
    MONEY = "money"
    PERCENTAGE = "percentage"
    NUMBER = "number"
    EMAIL_ADDRESS = "email_address"
    URL = "url"
    PHONE_NUMBER = "phone_number"
    PERSON = "person"
    PLACE = "place"
    ORGANIZATION = "organization"


@dataclass(frozen=True, slots=True)
class Entity:
    """A piece of a segment's text, as it stands there. Its times are its words', or the segment's without these."""

    kind: EntityKind
    text: str
    segment: int
    start_ms: int
    end_ms: int
    party: str = ""


@dataclass(frozen=True, slots=True)
class Keyword:
    """A word or a phrase, how often it was said, and its weight: 1 of the weightiest, above 0."""

    text: str
    count: int
    weight: float


@dataclass(frozen=True, slots=True)
class Topic:
    """What was talked about. `keywords` were said close to one another; a language model's topics have none."""

    label: str
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TurnSentiment:
    """A turn and its sentiment, from -1 to 1."""

    party: str
    start_ms: int
    end_ms: int
    score: float


@dataclass(frozen=True, slots=True)
class PartyAnalytics:
    """How one party spoke.

    `share` is of all parties' talk times, 0 to 1. `words` and `words_per_minute` are None for scripts that don't space
    words, `sentiment` for languages that it can't be told of. `interruptions` are those it made, of others.
    """

    party: str
    talk_ms: int
    share: float
    turns: int
    longest_turn_ms: int
    interruptions: int
    words: int | None
    words_per_minute: float | None
    keywords: tuple[Keyword, ...] = ()
    sentiment: float | None = None


@dataclass(frozen=True, slots=True)
class Analytics:
    """How a recording went. Of its time `speech_ms` is that in which anybody speaks, `overlap_ms` several do."""

    speech_ms: int
    silence_ms: int
    overlap_ms: int
    parties: tuple[PartyAnalytics, ...]
    keywords: tuple[Keyword, ...] = ()
    topics: tuple[Topic, ...] = ()
    topics_made_by: Maker = Maker.EMBEDDED
    sentiment: float | None = None
    turns: tuple[TurnSentiment, ...] = ()


@dataclass(frozen=True, slots=True)
class SummaryPoint:
    """A bullet or a paragraph. Of one that was said, the party who said it and when that began."""

    text: str
    party: str = ""
    start_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """The points of a summary, in the order of what they tell of. The embedded one holds sentences that were said."""

    style: SummaryStyle
    length: SummaryLength
    made_by: Maker
    points: tuple[SummaryPoint, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """All that was found; None is what was not asked for.

    `left_out` says, in plain words, what was asked for and can't be told of this recording. `failure` says what the
    language model failed at, whose work the embedded one did instead; empty where it did not fail.
    """

    entities: tuple[Entity, ...] | None = None
    analytics: Analytics | None = None
    summary: Summary | None = None
    left_out: tuple[str, ...] = ()
    failure: str = ""


def sentiment_label(score: float) -> str:
    """The word for a sentiment, by the bounds that VADER's authors give."""
    if score >= 0.05:
        return "positive"
    return "negative" if score <= -0.05 else "neutral"
