"""Written transcripts: what was said by whom and when, without audio."""

from __future__ import annotations

from collections.abc import Iterable

from batchscribe_server.domain.transcript import DetectedLanguage, MediaDescription, Segment, Transcript, Word

Said = tuple[str, str, int, int]
"""A party, its words, and from when to when in milliseconds."""


def transcript_of(
    said: Iterable[Said], *, language: str = "en", duration_ms: int = 0, words: bool = False
) -> Transcript:
    """The transcript of these segments; their words, where asked for, share their times evenly."""
    segments = []
    for index, (party, text, start_ms, end_ms) in enumerate(said):
        tokens = text.split()
        step_ms = (end_ms - start_ms) // max(1, len(tokens))
        timed = tuple(
            Word(token, start_ms + step_ms * number, start_ms + step_ms * (number + 1), 0.9)
            for number, token in enumerate(tokens)
        )
        segments.append(Segment(index, start_ms, end_ms, text, language, 0.9, timed if words else (), speaker=party))
    return Transcript(
        job_name="jobs/1",
        input_uri="file:///calls/a.wav",
        reference_id="",
        model="base",
        task="transcribe",
        language=DetectedLanguage(language, 0.99),
        media=MediaDescription(),
        duration_ms=duration_ms or max((segment.end_ms for segment in segments), default=0),
        create_time_iso="2026-01-31T12:00:00+00:00",
        segments=segments,
    )


def one_after_another(*lines: tuple[str, str]) -> list[Said]:
    """What parties say one after the other, four seconds each with half a second between."""
    return [(party, text, 4_500 * number, 4_500 * number + 4_000) for number, (party, text) in enumerate(lines)]


CALL = one_after_another(
    ("Agent", "Hello, this is Mr. Brown from Northwind support. How can I help you?"),
    (
        "Customer",
        "My delivery was due on Monday and it has not arrived. I am really upset about this terrible service.",
    ),
    ("Agent", "I am sorry about the delivery. Could you tell me your order number and your e-mail address?"),
    ("Customer", "The order number is 48213, you can write to jane.doe@example.com or call me at 415-555-0132."),
    ("Agent", "Thank you, that is great. I will refund the delivery fee of $12.50 by March 3rd, 2026, at 5 p.m."),
    ("Customer", "Wonderful, thank you so much. I love how quickly you solved the delivery problem."),
    ("Agent", "The refund of the delivery fee takes two days. See www.northwind.com/refunds for the rules."),
)
