"""The language of a file, found from its first segments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from batchscribe_server.domain.errors import JobFailure, Reason
from batchscribe_server.domain.recognition import LanguageDetection, UnsureLanguage
from batchscribe_server.domain.transcript import DetectedLanguage
from batchscribe_server.operations.transcriber import TranscriptionRequest
from batchscribe_server.transcriber.slots import GUARANTEED

CHECKED_EACH_S = 60.0
"""A check takes 2 to 4 % of what decoding a segment costs (base, segments of 14 s): one of four or more has it."""

CLEARLY_OTHER = 0.7
LEAST_CHECKED_S = 3.0

SURE = 0.5
"""The probability from which one language is believed without asking further segments."""


def known_language(request: TranscriptionRequest) -> DetectedLanguage | None:
    """The language that was asked for, or the only one that the model knows."""
    languages = request.model.languages
    known = request.language or (languages[0] if len(languages) == 1 else "")
    return DetectedLanguage(known, 1.0) if known else None


def believed(found: DetectedLanguage, detection: LanguageDetection) -> DetectedLanguage:
    """The language to go on with where `found` may be unsure. Raises JobFailure LANGUAGE_UNSURE."""
    if found.confidence >= detection.threshold or detection.unsure is UnsureLanguage.USE:
        return found
    if detection.unsure is UnsureLanguage.USE_DEFAULT:
        return DetectedLanguage(detection.default, 1.0)
    raise JobFailure(
        Reason.LANGUAGE_UNSURE,
        f"The language could not be told: it seems to be {found.code!r} with a probability of {found.confidence:.2f}, "
        f"below the threshold of {detection.threshold:g}. Name the language, or its candidates.",
    )


class LanguageWatch:
    """Notes where later segments of a file are in another language than the one that its first ones told.

    Doubted segments are checked, and one in a while of the others: a large model may well translate what it hears.
    """

    def __init__(self) -> None:
        self._checked_until_s = 0.0
        self._others: dict[str, float] = {}

    def check(self, start_s: float) -> str:
        """The `language_check` for a segment that begins there."""
        if start_s < self._checked_until_s + CHECKED_EACH_S:
            return "doubted"
        self._checked_until_s = start_s
        return "always"

    def checked(self, language: str, candidates: Sequence[tuple[str, float]], start_s: float, length_s: float) -> None:
        """The likeliest languages of a segment that was decoded in `language`; none where they were not looked for."""
        if not candidates or length_s < LEAST_CHECKED_S:
            return
        code, probability = candidates[0]
        if code != language and probability >= CLEARLY_OTHER:
            self._others[code] = min(start_s, self._others.get(code, start_s))

    def warning(self, language: str) -> str:
        """What was noted, in plain words; empty for one language alone."""
        if not self._others:
            return ""
        others = ", ".join(f"{code!r} at {start_s:.0f} s" for code, start_s in sorted(self._others.items()))
        return (
            f"The recording seems to hold other languages as well ({others}); all of it was transcribed in "
            f"{language!r}, which was detected at its beginning. Submit the parts apart, each with its language."
        )


class LanguageFinder:
    """Sums the candidates of a file's first segments, weighted by their lengths.

    The first segment is asked alone; only when it is unsure are further ones asked, `GUARANTEED` in all, since their
    slots are kept until the language is known.
    """

    def __init__(self, fallback: str, detection: LanguageDetection) -> None:
        self._fallback = fallback
        self._detection = detection
        self._weights: defaultdict[str, float] = defaultdict(float)
        self._total_s = 0.0
        self.votes = 0

    @property
    def wanted(self) -> int:
        """How many of the file's segments should be asked, as far as is known."""
        return GUARANTEED if self.votes else 1

    def vote(self, candidates: Iterable[tuple[str, float]], length_s: float) -> None:
        """What detection found in one segment; nothing where there was nothing to hear."""
        self.votes += 1
        found = tuple(candidates)
        if found:
            self._total_s += length_s
        for language, probability in found:
            self._weights[language] += probability * length_s

    def decide(self, *, more: bool) -> DetectedLanguage | None:
        """The language, or None while further segments should be asked and, as `more` says, may be.

        Raises JobFailure LANGUAGE_UNSURE where the client wants it so; silence is in the language of the fallback.
        """
        if not self._total_s:
            return None if more and self.votes < GUARANTEED else DetectedLanguage(self._fallback, 0.0)
        best, weight = max(self._weights.items(), key=lambda item: item[1])
        found = DetectedLanguage(best, min(1.0, weight / self._total_s))
        if more and found.confidence < max(SURE, self._detection.threshold) and self.votes < GUARANTEED:
            return None
        return believed(found, self._detection)
