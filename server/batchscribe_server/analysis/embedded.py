"""The service's own analysis of a transcript: rules and statistics, the same for the same transcript every time.

Hours take seconds: call it in a thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from batchscribe_server.analysis.entities import entities_of
from batchscribe_server.analysis.keywords import keywords_of
from batchscribe_server.analysis.sentences import Sentence, Turn, sentences_of, turns_of
from batchscribe_server.analysis.sentiment import LANGUAGE, mean, scores_of
from batchscribe_server.analysis.summary import summary_of
from batchscribe_server.analysis.talk import Talk, talks_of, times_of
from batchscribe_server.analysis.topics import topics_of
from batchscribe_server.analysis.words import Runs, content_runs, knows_stop_words
from batchscribe_server.domain.analysis import Analysis, Analytics, PartyAnalytics, TurnSentiment
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Transcript

MAX_KEYWORDS = 20
MAX_KEYWORDS_OF_PARTY = 8


def analysis_of(transcript: Transcript, config: RecognitionConfig) -> Analysis:
    """What the config asks for, as far as it can be told."""
    entities = tuple(entities_of(transcript)) if config.enable_entities else None
    if not config.speech_analytics and config.summary is None:
        return Analysis(entities)
    turns = [(turn, list(sentences_of(turn))) for turn in turns_of(transcript)]
    sentences = [sentence for _, its_sentences in turns for sentence in its_sentences]
    heard_ms = transcript.duration_ms - config.start_offset_ms
    return Analysis(
        entities=entities,
        analytics=_analytics(heard_ms, turns, sentences) if config.speech_analytics else None,
        summary=summary_of(sentences, config.summary) if config.summary else None,
        left_out=_left_out(sentences) if config.speech_analytics else (),
    )


def _analytics(heard_ms: int, turns: Sequence[tuple[Turn, list[Sentence]]], sentences: Sequence[Sentence]) -> Analytics:
    """The analytics of `heard_ms` of a recording."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    of_turns: list[TurnSentiment] = []
    for turn, its_sentences in turns:
        its_scores = scores_of(its_sentences)
        scores[turn.party] += its_scores
        if (score := mean(its_scores)) is not None:
            of_turns.append(TurnSentiment(turn.party, turn.start_ms, turn.end_ms, score))
    of_parties: defaultdict[str, list[Runs]] = defaultdict(list)
    starts_and_runs: list[tuple[int, Runs]] = []
    for sentence in sentences:
        if knows_stop_words(sentence.language):
            runs = content_runs(sentence.text, sentence.language)
            of_parties[sentence.party].append(runs)
            starts_and_runs.append((sentence.start_ms, runs))
    all_turns = [turn for turn, _ in turns]
    talks, times = talks_of(all_turns), times_of(all_turns)
    talk_ms = sum(talk.talk_ms for talk in talks)
    keywords = keywords_of([runs for _, runs in starts_and_runs], MAX_KEYWORDS)
    return Analytics(
        speech_ms=times.speech_ms,
        silence_ms=max(0, heard_ms - times.speech_ms),
        overlap_ms=times.overlap_ms,
        parties=tuple(_party(talk, talk_ms, of_parties[talk.party], mean(scores[talk.party])) for talk in talks),
        keywords=keywords,
        topics=topics_of(keywords, starts_and_runs),
        sentiment=mean([score for party_scores in scores.values() for score in party_scores]),
        turns=tuple(of_turns),
    )


def _party(talk: Talk, all_talk_ms: int, sentences: Sequence[Runs], sentiment: float | None) -> PartyAnalytics:
    return PartyAnalytics(
        party=talk.party,
        talk_ms=talk.talk_ms,
        share=round(talk.talk_ms / all_talk_ms, 3) if all_talk_ms else 0.0,
        turns=talk.turns,
        longest_turn_ms=talk.longest_turn_ms,
        interruptions=talk.interruptions,
        words=talk.words,
        words_per_minute=talk.words_per_minute,
        keywords=keywords_of(sentences, MAX_KEYWORDS_OF_PARTY),
        sentiment=sentiment,
    )


def _left_out(sentences: Sequence[Sentence]) -> tuple[str, ...]:
    languages = sorted({sentence.language or "an unknown language" for sentence in sentences})
    left_out = []
    if other := [language for language in languages if language != LANGUAGE]:
        left_out.append(f"Sentiment is told of English alone, not of what was said in {', '.join(other)}.")
    if unknown := [language for language in languages if not knows_stop_words(language)]:
        left_out.append(f"Keywords and topics can't be told of what was said in {', '.join(unknown)}.")
    return tuple(left_out)
