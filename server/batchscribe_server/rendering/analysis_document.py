"""What an analysis found, as the keys `entities`, `analytics` and `summary` of the JSON document.

Each key is there where it was asked for. Times are seconds, shares 0 to 1, sentiments -1 to 1 (null where the language
is none that it is told of), `words` and `words_per_minute` null for scripts that don't space words.

    "entities": [{"kind": "money", "text": "$40", "segment": 3, "start": 12.3, "end": 12.9, "party": "Agent"}, …],
    "analytics": {
      "speech": 61.2, "silence": 8.8, "overlap": 0.4,
      "sentiment": {"score": 0.31, "label": "positive"},
      "keywords": [{"text": "delivery date", "count": 3, "weight": 1.0}, …],
      "topics": [{"label": "delivery date", "keywords": ["delivery date", "refund"]}, …], "topics_made_by": "embedded",
      "parties": [{"party": "Agent", "talk": 40.1, "share": 0.65, "turns": 9, "longest_turn": 11.0, "interruptions": 1,
                   "words": 120, "words_per_minute": 179.6, "sentiment": …, "keywords": […]}, …],
      "turns": [{"party": "Agent", "start": 0.5, "end": 4.2, "sentiment": {"score": 0.0, "label": "neutral"}}, …],
      "left_out": ["Sentiment is told of English alone, not of what was said in de."]
    },
    "summary": {"style": "bullets", "length": "short", "made_by": "embedded",
                "points": [{"text": "…", "party": "Agent", "start": 12.3}, …]}   // start is null in a language model's
"""

from __future__ import annotations

from batchscribe_server.domain.analysis import (
    Analysis,
    Analytics,
    Entity,
    Keyword,
    PartyAnalytics,
    Summary,
    sentiment_label,
)
from batchscribe_server.rendering.json_parts import seconds


def analysis_document(analysis: Analysis) -> dict[str, object]:
    """The keys of what was asked for."""
    document: dict[str, object] = {}
    if analysis.entities is not None:
        document["entities"] = [_entity(entity) for entity in analysis.entities]
    if analysis.analytics is not None:
        document["analytics"] = _analytics(analysis.analytics) | {"left_out": list(analysis.left_out)}
    if analysis.summary is not None:
        document["summary"] = _summary(analysis.summary)
    return document


def _entity(entity: Entity) -> dict[str, object]:
    return {
        "kind": entity.kind.value,
        "text": entity.text,
        "segment": entity.segment,
        "start": seconds(entity.start_ms),
        "end": seconds(entity.end_ms),
        "party": entity.party,
    }


def _analytics(analytics: Analytics) -> dict[str, object]:
    return {
        "speech": seconds(analytics.speech_ms),
        "silence": seconds(analytics.silence_ms),
        "overlap": seconds(analytics.overlap_ms),
        "sentiment": _sentiment(analytics.sentiment),
        "keywords": [_keyword(keyword) for keyword in analytics.keywords],
        "topics": [{"label": topic.label, "keywords": list(topic.keywords)} for topic in analytics.topics],
        "topics_made_by": analytics.topics_made_by.value,
        "parties": [_party(party) for party in analytics.parties],
        "turns": [
            {
                "party": turn.party,
                "start": seconds(turn.start_ms),
                "end": seconds(turn.end_ms),
                "sentiment": _sentiment(turn.score),
            }
            for turn in analytics.turns
        ],
    }


def _party(party: PartyAnalytics) -> dict[str, object]:
    return {
        "party": party.party,
        "talk": seconds(party.talk_ms),
        "share": party.share,
        "turns": party.turns,
        "longest_turn": seconds(party.longest_turn_ms),
        "interruptions": party.interruptions,
        "words": party.words,
        "words_per_minute": party.words_per_minute,
        "sentiment": _sentiment(party.sentiment),
        "keywords": [_keyword(keyword) for keyword in party.keywords],
    }


def _summary(summary: Summary) -> dict[str, object]:
    return {
        "style": summary.style.value,
        "length": summary.length.value,
        "made_by": summary.made_by.value,
        "points": [
            {
                "text": point.text,
                "party": point.party,
                "start": None if point.start_ms is None else seconds(point.start_ms),
            }
            for point in summary.points
        ],
    }


def _keyword(keyword: Keyword) -> dict[str, object]:
    return {"text": keyword.text, "count": keyword.count, "weight": keyword.weight}


def _sentiment(score: float | None) -> dict[str, object] | None:
    return None if score is None else {"score": score, "label": sentiment_label(score)}
