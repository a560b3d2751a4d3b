"""Entities are found by how they are written, each once, where it stands and when it was said."""

from __future__ import annotations

import pytest

from batchscribe_server.analysis.entities import entities_of, found_in
from tests.conversations import CALL, transcript_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Write to ada.l+x@mail.example.co.uk, please.", [("email_address", "ada.l+x@mail.example.co.uk")]),
        ("See https://example.org/a?b=c.", [("url", "https://example.org/a?b=c")]),
        ("It is on www.example.org or example.com.", [("url", "www.example.org"), ("url", "example.com")]),
        ("On the 3rd of March, 2026.", [("date", "the 3rd of March, 2026")]),
        ("By March 3rd, 2026, or 2026-03-04.", [("date", "March 3rd, 2026"), ("date", "2026-03-04")]),
        ("Am 3.4.2026 oder 03/04/26.", [("date", "3.4.2026"), ("date", "03/04/26")]),
        ("Monday or Friday, May 1", [("date", "Monday"), ("date", "Friday, May 1")]),
        ("We may march on.", []),
        ("At 5 p.m., not at 17:30.", [("time", "5 p.m."), ("time", "17:30")]),
        ("It costs $1,234.50 or 20 euros.", [("money", "$1,234.50"), ("money", "20 euros")]),
        ("3 million dollars, 7 €", [("money", "3 million dollars"), ("money", "7 €")]),
        ("Up by 5.5% and 3 percent.", [("percentage", "5.5%"), ("percentage", "3 percent")]),
        ("Call +1 (415) 555-0132 now.", [("phone_number", "+1 (415) 555-0132")]),
        ("Call 415-555-0132 now.", [("phone_number", "415-555-0132")]),
        ("All 12,000 of 7 and -3.5 billion.", [("number", "12,000"), ("number", "7"), ("number", "-3.5 billion")]),
        ("The B52 and MP3 players.", []),
        ("It is XXXX XXXX on the XX.XX.XX at XX:XX for $XX.", []),
        ("Not XXX@example.de, nor www.example.com/XX.", []),
        ("On www.exxon.com, or foxx@example.com.", [("url", "www.exxon.com"), ("email_address", "foxx@example.com")]),
        ("", []),
    ],
)
def test_what_is_written_like_an_entity_is_one(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(kind.value, text[begin:end]) for kind, begin, end in found_in(text)] == expected


def test_entities_of_a_call_say_who_said_them() -> None:
    found = [(entity.kind.value, entity.text, entity.party) for entity in entities_of(transcript_of(CALL))]
    assert found == [
        ("date", "Monday", "Customer"),
        ("number", "48213", "Customer"),
        ("email_address", "jane.doe@example.com", "Customer"),
        ("phone_number", "415-555-0132", "Customer"),
        ("money", "$12.50", "Agent"),
        ("date", "March 3rd, 2026", "Agent"),
        ("time", "5 p.m.", "Agent"),
        ("url", "www.northwind.com/refunds", "Agent"),
    ]


def test_an_entity_has_the_times_of_its_words_or_else_of_its_segment() -> None:
    said = [("", "Pay me 20 euros tomorrow", 1_000, 6_000)]
    (timed,), (whole,) = entities_of(transcript_of(said, words=True)), entities_of(transcript_of(said))
    assert (timed.text, timed.start_ms, timed.end_ms) == ("20 euros", 3_000, 5_000)
    assert (whole.start_ms, whole.end_ms) == (1_000, 6_000)
