"""What `batchscribe transcribe` prints, and what it calls the files that it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchscribe.cli.arguments import FormatWord
from batchscribe.cli.recognition_arguments import RecognitionArguments
from batchscribe.cli.transcribe import output_path, wanted_format


@pytest.mark.parametrize(
    ("format", "summary", "wanted"),
    [
        (None, None, FormatWord.TXT),
        (None, "bullets", FormatWord.SUMMARY),
        (FormatWord.JSON, "bullets", FormatWord.JSON),
        (FormatWord.SUMMARY, "paragraphs", FormatWord.SUMMARY),
        (FormatWord.SRT, None, FormatWord.SRT),
    ],
)
def test_a_summary_that_was_asked_for_is_what_is_printed(
    format: FormatWord | None, summary: str | None, wanted: FormatWord
) -> None:
    assert wanted_format(format, RecognitionArguments(summary=summary)) is wanted  # type: ignore[arg-type]


def test_a_summary_that_was_not_asked_for_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ValueError, match="--summary bullets"):
        wanted_format(FormatWord.SUMMARY, RecognitionArguments())


def test_files_are_called_as_the_server_calls_them(tmp_path: Path) -> None:
    assert output_path(tmp_path, "calls/a.wav", FormatWord.SUMMARY) == tmp_path / "a.wav.summary.txt"
    assert output_path(tmp_path, "calls/a.wav", FormatWord.TXT) == tmp_path / "a.wav.txt"
