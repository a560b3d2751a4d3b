"""The steps in their order, for the segments of one file."""

from __future__ import annotations

from collections.abc import Iterator

from batchscribe_server.domain.editing import LanguageGap
from batchscribe_server.domain.recognition import ProfanityFilter, RecognitionConfig, Replacement
from batchscribe_server.domain.transcript import Segment
from batchscribe_server.text import disfluencies, formatting, profanity, redaction
from batchscribe_server.text.passage import settled
from batchscribe_server.text.replacements import MAX_PROGRAM_SIZE, compiled, with_replacements


class Editor:
    """Edits the segments of one file in order, as its client asked. Owned by one run."""

    def __init__(self, config: RecognitionConfig) -> None:
        self._config = config
        self._suppressed = [compiled(Replacement(phrase, "")) for phrase in config.decoding.suppressed_phrases]
        self._replacements = [compiled(replacement) for replacement in config.replacements]
        self._formatter = formatting.Formatter() if config.smart_formatting else None
        self._redactor = redaction.Redactor(config.redaction) if config.redaction is not None else None

    @property
    def remembers(self) -> bool:
        """Whether a segment is edited by what was before it, so that those of an earlier run must be recalled."""
        hides_numbers = self._config.redaction is not None and redaction.hides_numbers(self._config.redaction)
        return hides_numbers or self._config.smart_formatting

    def edit(self, segment: Segment) -> Segment:
        """The segment as it is to be stored; its text may be empty. Raises JobFailure."""
        config = self._config
        language = config.language_of_text(segment.language)
        segment = with_replacements(settled(segment), self._suppressed)
        if config.disfluency_removal:
            segment = disfluencies.without_disfluencies(segment, language)
        if self._formatter is not None:
            segment = self._formatter.formatted(segment, language)
        segment = with_replacements(segment, self._replacements)
        segment = profanity.without_profanity(segment, language, config.profanity_filter)
        if self._redactor is not None:
            segment = self._redactor.redacted(segment, language)
        if self._formatter is not None:
            self._formatter.recall(segment, language)
        return segment

    def recall(self, segment: Segment) -> None:
        """Take note of a segment that an earlier run has edited and stored."""
        language = self._config.language_of_text(segment.language)
        if self._formatter is not None:
            self._formatter.recall(segment, language)
        if self._redactor is not None:
            self._redactor.recall(segment, language)


def editor(config: RecognitionConfig) -> Editor | None:
    """See `operations.text.TextEditing`."""
    asked = (
        config.decoding.suppressed_phrases
        or config.disfluency_removal
        or config.smart_formatting
        or config.replacements
        or config.profanity_filter is not ProfanityFilter.NONE
        or config.redaction
    )
    return Editor(config) if asked else None


def problems(config: RecognitionConfig) -> Iterator[tuple[str, str]]:
    """See `operations.text.TextEditing`."""
    program_size = 0
    for index, replacement in enumerate(config.replacements):
        path = f"replacements[{index}]"
        try:
            program_size += compiled(replacement).program_size
        except ValueError as error:
            yield path, str(error)
        if program_size > MAX_PROGRAM_SIZE:
            yield path, "is, with the expressions before it, too complex: repeat less, or give fewer"
            break


def gaps(config: RecognitionConfig, language: str) -> Iterator[LanguageGap]:
    """See `operations.text.TextEditing`."""
    written = config.language_of_text(language)
    if config.disfluency_removal and written not in disfluencies.LANGUAGES:
        yield LanguageGap("disfluency_removal", "fillers")
    if config.smart_formatting and written not in formatting.LANGUAGES:
        yield LanguageGap("smart_formatting", "numbers in words")
    if config.profanity_filter is not ProfanityFilter.NONE and written not in profanity.LANGUAGES:
        yield LanguageGap("profanity_filter", "profane words")
    if (
        config.redaction is not None
        and redaction.hides_numbers(config.redaction)
        and written not in redaction.LANGUAGES
    ):
        yield LanguageGap("redaction", "numbers in words", in_vain=False)
