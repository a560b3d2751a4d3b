"""How the values of options are read, and what is said of those that are none."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from batchscribe.cli.arguments import ConflictWord, FormatWord
from batchscribe.cli.option_values import plainly_read

app = typer.Typer()


@app.command()
@plainly_read
def command(
    format: Annotated[list[FormatWord] | None, typer.Option()] = None,
    conflict: Annotated[ConflictWord | None, typer.Option()] = None,
    beam: Annotated[int | None, typer.Option(min=1, max=10)] = None,
    share: Annotated[float, typer.Option(min=0, max=1)] = 0.5,
    size: Annotated[int, typer.Option()] = 0,
    flag: Annotated[bool, typer.Option("--flag")] = False,
) -> None:
    """Print what is read."""
    print([str(each) for each in format or ()], conflict, beam, share, size, flag)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (("--format", "txt", "--format", "text", "--format", "TEXT"), "['txt', 'txt', 'txt'] None None 0.5 0 False"),
        (("--format", "TRANSCRIPT_FORMAT_TEXT"), "['txt'] None None 0.5 0 False"),
        (("--format", "transcript_format_json_v2"), "['json_v2'] None None 0.5 0 False"),
        (("--format", "json-v2", "--format", "JSON"), "['json_v2', 'json'] None None 0.5 0 False"),
        (("--conflict", "ON_CONFLICT_SKIP"), "[] skip None 0.5 0 False"),
        (("--beam", "10", "--share", "1e-1", "--size", "-3", "--flag"), "[] None 10 0.1 -3 True"),
        ((), "[] None None 0.5 0 False"),
    ],
)
def test_words_are_the_command_lines_or_the_contracts(given: tuple[str, ...], read: str) -> None:
    result = run(*given)
    assert (result.exit_code, result.stdout) == (0, read + "\n")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (("--format", "srtt"), "'srtt' is not one of txt, srt, vtt, json, json_v2, ibm_json, tsv, summary; did you"),
        (("--format", "OUTPUT_LAYOUT_PREFIX"), "is not one of txt"),
        (("--conflict", "SKIPP"), "did you mean skip?"),
        (("--beam", "x"), "'x' is no whole number"),
        (("--beam", "1.5"), "'1.5' is no whole number"),
        (("--beam", "0"), "0 is less than 1"),
        (("--beam", "11"), "11 is more than 10"),
        (("--share", "nan"), "'nan' is no number"),
        (("--share", "1.5"), "1.5 is more than 1"),
        (("--size", "9999999999"), "9999999999 is more than 2147483647"),
    ],
)
def test_what_is_no_value_is_said_plainly(given: tuple[str, ...], complaint: str) -> None:
    result = run(*given)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Input should" not in result.stderr
    assert "Value error" not in result.stderr
