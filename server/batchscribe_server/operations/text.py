"""The port to what is done to the text of segments before they are stored and streamed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from batchscribe_server.domain.editing import LanguageGap
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.domain.transcript import Segment


class TextEditor(Protocol):
    """Edits the segments of one file in their order, as its client asked."""

    @property
    def remembers(self) -> bool:
        """Whether it edits a segment by what was before it; otherwise there is nothing to `recall`."""
        ...

    def edit(self, segment: Segment) -> Segment:
        """The segment as it is to be stored; its text is empty where nothing is left. Raises JobFailure.

        It may take a while with hostile expressions: call it in a thread.
        """
        ...

    def recall(self, segment: Segment) -> None:
        """Take note of a segment that an earlier, interrupted run has edited and stored: numbers may go on after it."""
        ...


class TextEditing(Protocol):
    """Makes editors. The package `text` is one."""

    def editor(self, config: RecognitionConfig) -> TextEditor | None:
        """An editor for one run; None where the config asks for nothing."""
        ...

    def problems(self, config: RecognitionConfig) -> Iterable[tuple[str, str]]:
        """What can't be done whatever the language: paths below the config, and what is wrong there."""
        ...

    def gaps(self, config: RecognitionConfig, language: str) -> Iterable[LanguageGap]:
        """What is asked for and can't be done where this language is spoken."""
        ...
