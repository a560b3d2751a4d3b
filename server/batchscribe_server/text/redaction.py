"""Blackens numbers and e-mail addresses, also where the end of a segment cuts them.

What is stored and streamed can't be taken back, so a segment is redacted when the next one is not known yet: a run of
digits at its end is masked from the third digit on, as it may be the beginning of a longer number, and it counts as
the beginning of the run that begins the next segment. All that is remembered of it is how many digits it has, which
can be told from the redacted text: a run that goes on after a crash redacts as one that was never cut off.

The masks tell nothing of what they hide but how many digits it has: an X for each, and one for each word at least. So
a number in words that has more digits than words has the rest at its first one ("eleven thousand" is "XXXX X").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from batchscribe_server.domain.editing import ADDRESS_MASK, MASK
from batchscribe_server.domain.recognition import Redaction, RedactionCategory
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text.digit_runs import LANGUAGES, DigitRun, digit_runs, is_between_digits
from batchscribe_server.text.email_addresses import email_addresses
from batchscribe_server.text.passage import Edit, edited
from batchscribe_server.text.removal import Span
from batchscribe_server.text.tokens import words_in

__all__ = ["LANGUAGES", "Redactor", "hides_numbers"]

_FEWEST_DIGITS: Mapping[RedactionCategory, int] = {
    RedactionCategory.NUMBERS: 3,
    RedactionCategory.PHONE_NUMBERS: 7,
    RedactionCategory.CARD_NUMBERS: 13,
}
_FEWEST_OPEN_DIGITS = 3


def hides_numbers(redaction: Redaction) -> bool:
    """Whether numbers are redacted, and not e-mail addresses alone."""
    return _fewest_digits(redaction) is not None


class Redactor:
    """Redacts the segments of one file in order. Owned by one run."""

    def __init__(self, redaction: Redaction) -> None:
        self._fewest_digits = _fewest_digits(redaction)
        self._addresses = RedactionCategory.EMAIL_ADDRESSES in redaction.categories
        self._digits_before: dict[int | None, int] = {}

    def redacted(self, segment: Segment, language: str) -> Segment:
        """The segment with what is to be hidden masked in its text and its words."""
        text = segment.text
        addresses = email_addresses(text) if self._addresses else []
        edits = [Edit(begin, end, ADDRESS_MASK) for begin, end in addresses]
        if self._fewest_digits is not None:
            before = self._digits_before.get(segment.channel, 0)
            for run in digit_runs(text, language):
                digits = run.digits + (before if run.at_start else 0)
                if digits >= self._fewest_digits or (run.at_end and digits >= _FEWEST_OPEN_DIGITS):
                    edits += _masks(text, run, addresses)
        segment = edited(segment, edits)
        self.recall(segment, language)
        return segment

    def recall(self, segment: Segment, language: str) -> None:
        """Take note of how a redacted segment ends, where numbers are redacted."""
        if self._fewest_digits is None:
            return
        before = self._digits_before.get(segment.channel, 0)
        digits = _open_digits(segment.text, language, before, masked=True)
        if digits < _FEWEST_OPEN_DIGITS:
            # Nothing of so few is masked: it is the X of "Austin, TX".
            digits = _open_digits(segment.text, language, before, masked=False)
        self._digits_before[segment.channel] = digits


def _fewest_digits(redaction: Redaction) -> int | None:
    """From how many digits on numbers are redacted; None where they are not."""
    categories = redaction.categories or (RedactionCategory.NUMBERS,)
    return min((_FEWEST_DIGITS[category] for category in categories if category in _FEWEST_DIGITS), default=None)


def _open_digits(text: str, language: str, before: int, *, masked: bool) -> int:
    """How many digits the run has that reaches to the end of a text, those before the text among them."""
    runs = digit_runs(text, language, masked=masked)
    if runs and runs[-1].at_end:
        return runs[-1].digits + (before if runs[-1].at_start else 0)
    # An "okay" between two halves of a number doesn't end it.
    return before if is_between_digits(text) else 0


def _masks(text: str, run: DigitRun, besides: list[Span]) -> Iterator[Edit]:
    for part in run.parts:
        if any(part.begin < end and begin < part.end for begin, end in besides):
            continue
        words = words_in(text[part.begin : part.end])
        for number, word in enumerate(words):
            digits = 1 if number else max(1, part.digits - len(words) + 1)
            yield Edit(part.begin + word.begin, part.begin + word.end, MASK * digits)
