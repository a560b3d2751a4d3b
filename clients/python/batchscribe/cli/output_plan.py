"""Which file each transcript is written to: decided, and seen to be possible, before anything is sent."""

from __future__ import annotations

import contextlib
import errno
import mimetypes
import os
import secrets
import stat
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from batchscribe.cli.arguments import FormatWord
from batchscribe.cli.wording import file_name
from batchscribe.inputs import is_uri
from batchscribe.outputs import format_suffix


@dataclass(frozen=True, slots=True)
class Target:
    """One transcript of one source: its format, and its file; None is standard output."""

    format: FormatWord
    path: Path | None


def label(source: str) -> str:
    """What a source is called in messages, and in the names of its outputs."""
    return "stdin" if source == "-" else file_name(source)


def names_folder(output: str) -> bool:
    """Whether an output is meant as a folder: it ends with a slash, is one, or is new and has no suffix."""
    path = Path(output)
    return output.endswith(("/", os.sep)) or path.is_dir() or (not path.suffix and not path.exists())


def wanted_formats(
    given: Sequence[FormatWord] | None, output: str | None, *, has_summary: bool
) -> tuple[FormatWord, ...]:
    """The formats that are asked for: by name, by the suffix of the output's file, or text (or the summary).

    Raises ValueError for a summary that is not made, and for a file whose name says another format.
    """
    default = FormatWord.SUMMARY if has_summary else FormatWord.TXT
    named = _format_of_name(Path(output).name) if output and not names_folder(output) else None
    if given:
        formats = tuple(dict.fromkeys(given))
    else:
        formats = (default if named is None or _suffix(named) == _suffix(default) else named,)
    if FormatWord.SUMMARY in formats and not has_summary:
        raise ValueError("--format summary needs a summary: add --summary bullets or --summary paragraphs")
    if named is not None and len(formats) == 1 and _suffix(named) != _suffix(formats[0]):
        raise ValueError(f"--output {output} is a name for {named}, --format says {formats[0]}: leave one of them out")
    return formats


def plan_outputs(sources: Sequence[str], output: str | None, formats: Sequence[FormatWord]) -> list[tuple[Target, ...]]:
    """The targets of each source. Makes the output's folder where there is none.

    Raises ValueError where an output would replace an input or another output, OSError where it can't be written.
    """
    inputs = dict(_files_of(sources))
    if output == "":
        raise ValueError("--output is empty")
    if output is None:
        if len(formats) > 1:
            raise ValueError("several formats go to files: add --output FOLDER/")
        _check_stdout(inputs)
        return [(Target(formats[0], None),) for _ in sources]
    if not names_folder(output):
        if len(sources) > 1 or len(formats) > 1:
            raise ValueError(
                f"--output {output}: for several files or formats it must be a folder; end it with a slash"
            )
        if (mimetypes.guess_type(output)[0] or "").startswith(("audio/", "video/")):
            raise ValueError(f"--output {output} is a name for audio or video; a transcript's ends in .txt, .srt, …")
        path = Path(output)
        if path.exists() and not path.is_dir() and not path.is_file():
            return [(Target(formats[0], path),)]  # a device or a pipe is written to as it is
        plan: list[tuple[Target, ...]] = [(Target(formats[0], path),)]
    else:
        plan = [
            tuple(Target(format, Path(output, f"{label(source)}.{format_suffix(format)}")) for format in formats)
            for source in sources
        ]
    folder = Path(output) if names_folder(output) else Path(output).parent
    _check_files(sources, plan, inputs, ignores_case=False)  # what is refused makes no folder
    folder.mkdir(parents=True, exist_ok=True)
    _check_files(sources, plan, inputs, ignores_case=_probe(folder))
    return plan


def write_transcript(path: Path, text: str) -> None:
    """Write a file whole or not at all, through links. Raises OSError."""
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    path = path.resolve()
    # The file's own name may be as long as names can be.
    partial = path.with_name(f".batchscribe-{secrets.token_hex(4)}")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _format_of_name(name: str) -> FormatWord | None:
    fitting = [format for format in FormatWord if name.lower().endswith(f".{format_suffix(format)}")]
    return max(fitting, key=lambda word: len(format_suffix(word)), default=None)


def _suffix(format: FormatWord) -> str:
    """What follows the last point: `json` for all kinds of JSON."""
    return format_suffix(format).rpartition(".")[2]


def _files_of(sources: Sequence[str]) -> Iterator[tuple[tuple[int, int], str]]:
    """The local files among the sources by their identity, which links and other spellings of a name share."""
    for source in sources:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if source == "-":
                found = os.fstat(sys.stdin.fileno())
            elif source.lower().startswith("file://"):
                found = Path(os.fsdecode(unquote_to_bytes(urlsplit(source).path))).stat()
            elif is_uri(source):
                continue
            else:
                found = Path(source).stat()
            if stat.S_ISREG(found.st_mode):
                yield (found.st_dev, found.st_ino), source


def _check_stdout(inputs: dict[tuple[int, int], str]) -> None:
    with contextlib.suppress(OSError, AttributeError):
        found = os.fstat(sys.stdout.fileno())
        if source := inputs.get((found.st_dev, found.st_ino)):
            raise ValueError(f"standard output is {source}, which is an input: the transcript would be written into it")


def _check_files(
    sources: Sequence[str],
    plan: Sequence[tuple[Target, ...]],
    inputs: dict[tuple[int, int], str],
    *,
    ignores_case: bool,
) -> None:
    taken: dict[str, str] = {}
    for source, targets in zip(sources, plan, strict=True):
        for path in (target.path for target in targets):
            assert path is not None
            with contextlib.suppress(FileNotFoundError):
                found = path.stat()
                if stat.S_ISDIR(found.st_mode):
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
                if (replaced := inputs.get((found.st_dev, found.st_ino))) is not None:
                    raise ValueError(f"--output: {path} is the input {replaced}, which the transcript would replace")
            key = os.path.realpath(path)
            key = unicodedata.normalize("NFC", key).casefold() if ignores_case else key
            if key in taken:
                raise ValueError(
                    f"{taken[key]} and {source} would both be written to {path}; give each a folder of its own"
                )
            taken[key] = source


def _probe(folder: Path) -> bool:
    """See that files can be written to a folder. Returns whether it takes names in other cases for the same."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".batchscribe-") as probe:
            return (folder / Path(probe.name).name.upper()).exists()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error
