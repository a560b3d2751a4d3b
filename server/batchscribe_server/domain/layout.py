"""Where outputs go: those of a job, one of each format, the notice that a failure leaves, and a batch's report.

An output's name keeps the input's whole name (`a.wav` gives `a.wav.json`), so that `a.wav` and `a.mp3` in one folder
never write to the same file. In a folder of files, of a key's names those are changed that no file can have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never
from urllib.parse import quote, unquote

from batchscribe_server.domain.batch import BatchInput, PrefixInput, SingleInput
from batchscribe_server.domain.recognition import (
    MAX_SEPARATE_CHANNELS,
    OutputConfig,
    OutputLayout,
    TranscriptFormat,
)
from batchscribe_server.domain.url import is_url, shown_url

NOTICE_SUFFIX = "notice"
REPORT_SUFFIX = ".report.jsonl"

_OF_CHANNEL = re.compile(r"\.channel_\d+\Z")

_NO_NAMES = frozenset({"", ".", ".."})
"""What stands between the slashes of a path and is no file's name."""

# The longest first: `v2.json` is one of them and `json` another.
_TRANSCRIPT_SUFFIXES = sorted({*TranscriptFormat, NOTICE_SUFFIX}, key=len, reverse=True)


def output_uri(
    output: OutputConfig,
    format: TranscriptFormat,
    input_uri: str,
    relative_path: str = "",
    channel: int | None = None,
) -> str:
    """Where the transcript in that format goes, or the one of a single channel.

    `relative_path` is the input's path below its prefix, for PREFIX; the input's own name is taken where it is empty.
    """
    is_one_file = output.layout is OutputLayout.SINGLE and len(output.formats) == 1 and not output.uri.endswith("/")
    if is_one_file and channel is None:
        return output.uri
    of_channel = "" if channel is None else f".channel_{channel}"
    return f"{_stem_uri(output, input_uri, relative_path)}{of_channel}.{format.value}"


def output_suffix(format: TranscriptFormat) -> str:
    """What the name of one file that is written in that format has to end in."""
    return "." + format.rpartition(".")[2]


def is_output_name(uri: str) -> bool:
    """Whether a file has a name that outputs have: one that has none is never written, replaced or removed."""
    endings = (REPORT_SUFFIX, f".{NOTICE_SUFFIX}", *map(output_suffix, TranscriptFormat))
    return uri.lower().endswith(endings)


def output_uris(output: OutputConfig, input_uri: str, relative_path: str = "") -> Sequence[str]:
    """All that a run of a file may write, replace or remove."""
    if output.kept_by_service:
        return ()
    channels = (None, *range(MAX_SEPARATE_CHANNELS)) if output.file_per_channel else (None,)
    written = (output_uri(output, format, input_uri, relative_path, c) for format in output.formats for c in channels)
    return [*written, notice_uri(output, input_uri, relative_path)]


def replaced_by(output: OutputConfig, uri: str) -> Sequence[str]:
    """Which files would have an output in the place of this one: the URIs that their notices would have.

    The name of all but the channels' tells; no file but one that has the suffix of an output is ever in the place of
    one.
    """
    if output.kept_by_service:
        return ()
    stems = []
    for suffix in {*(format.value for format in output.formats), NOTICE_SUFFIX}:
        if uri.lower().endswith(f".{suffix}"):
            stem = uri[: -len(suffix) - 1]
            stems += [stem, _OF_CHANNEL.sub("", stem)] if output.file_per_channel else [stem]
    return [f"{stem}.{NOTICE_SUFFIX}" for stem in dict.fromkeys(stems)]


def notice_uri(output: OutputConfig, input_uri: str, relative_path: str = "") -> str:
    """Where the notice goes when the file fails."""
    return f"{_stem_uri(output, input_uri, relative_path)}.{NOTICE_SUFFIX}"


def report_uri(output: OutputConfig, input: BatchInput, batch_id: str) -> str:
    """Where a batch's report goes; empty where there is no one place for it."""
    name = f"{batch_id}{REPORT_SUFFIX}"
    match output.layout, input:
        case OutputLayout.PREFIX, _:
            return f"{output.uri.rstrip('/')}/{name}" if output.uri else ""
        case OutputLayout.SINGLE, _:
            return f"{_folder_of(output.uri)}/{name}"
        case OutputLayout.ADJACENT, PrefixInput(uri):
            return f"{uri.rstrip('/')}/{name}"
        case OutputLayout.ADJACENT, SingleInput(uri):
            return f"{_folder_of(uri)}/{name}"
        case _:
            return ""


def is_report(path: str) -> bool:
    """Whether a file is the report of a batch by its name: never an input, whatever the globs say."""
    return path.endswith(REPORT_SUFFIX)


def relative_paths(uris: Sequence[str]) -> list[str]:
    """Paths of the URIs of a manifest below the folder that all of them share, so that PREFIX can mirror them.

    URIs with different schemes or hosts share nothing: the host then is the first folder of the path.
    """
    shared = None
    for uri in uris:
        shared = shared_folder(shared, uri)
    return [path_below(len(shared or ()), uri) for uri in uris]


def shared_folder(folder: tuple[str, ...] | None, uri: str) -> tuple[str, ...]:
    """The names of the folder that a file shares with others, which share `folder`; None where there are no others."""
    own = tuple(_names_of(uri)[:-1])
    if folder is None:
        return own
    differing = (depth for depth, names in enumerate(zip(folder, own, strict=False)) if names[0] != names[1])
    return folder[: next(differing, min(len(folder), len(own)))]


def path_below(folders: int, uri: str) -> str:
    """The path of a URI below so many folders, the host being the first of them where there is one."""
    return "/".join(_names_of(uri)[folders:])


def folder_of_outputs(output: OutputConfig, prefix_uri: str) -> str:
    """The path of the outputs' folder below an input's prefix, with a slash at its end; empty where they go elsewhere.

    Also where they go to the prefix itself: nothing tells them from inputs there but their names.
    """
    prefix, folder = _as_folder(prefix_uri), _as_folder(output.uri)
    if output.layout is not OutputLayout.PREFIX or not output.uri or not folder.startswith(prefix):
        return ""
    path = folder.removeprefix(prefix)
    return _decoded(path) if _percent_encoded(folder) else path


def is_output(output: OutputConfig, prefix_uri: str, relative_path: str) -> bool:
    """Whether a file below an input's prefix is an output, of this run or of an earlier one, whatever its formats were.

    Where outputs lie among their inputs, those are told by their suffix, which no audio has; reports are anywhere.
    """
    if is_report(relative_path):
        return True
    if output.layout is OutputLayout.ADJACENT or (output.uri and _as_folder(output.uri) == _as_folder(prefix_uri)):
        _, dot, suffix = relative_path.rpartition("/")[2].rpartition(".")
        return bool(dot) and suffix in _TRANSCRIPT_SUFFIXES
    folder = folder_of_outputs(output, prefix_uri)
    return bool(folder) and relative_path.startswith(folder)


def is_below(folder_uri: str, uri: str) -> bool:
    """Whether a file is in a folder, or in one below it."""
    return bool(folder_uri) and uri.startswith(_as_folder(folder_uri))


def file_name(uri: str) -> str:
    """What the file of a URI is called, decoded; empty where the URI names nothing."""
    return next(iter(_names_of(uri)[-1:]), "")


def _folder_of(uri: str) -> str:
    """What comes before the last slash; a URI that ends with one is a folder."""
    return uri.rpartition("/")[0]


def _stem_uri(output: OutputConfig, input_uri: str, relative_path: str) -> str:
    match output.layout:
        case OutputLayout.SINGLE:
            if output.uri.endswith("/"):
                return output.uri + _as_uri_path(output.uri, _names_of(input_uri)[-1:])
            # Only a transcript's suffix makes way for another: `meeting.2026` is a name, not a suffix.
            suffixes = (f".{suffix}" for suffix in _TRANSCRIPT_SUFFIXES)
            suffix = next((suffix for suffix in suffixes if output.uri.lower().endswith(suffix)), "")
            return output.uri[: len(output.uri) - len(suffix)]
        case OutputLayout.ADJACENT:
            return input_uri
        case OutputLayout.PREFIX:
            names = _mirrored(output.uri, input_uri, relative_path) or _names_of(input_uri)[-1:]
            return f"{output.uri.rstrip('/')}/{_as_uri_path(output.uri, names)}"
        case _:
            assert_never(output.layout)


def _mirrored(output_uri: str, input_uri: str, relative_path: str) -> list[str]:
    """The names of an output's path below its prefix, which it never climbs out of.

    A key (`s3://…`) is no path: in it an empty name, `.` and `..` are names like others, and `a//b` and `a/b` are two
    objects. Where the output can't have such a name, an underscore goes before it, and another one before the names
    that come out of that, so that no two keys share an output.
    """
    if not relative_path:
        return []
    names = relative_path.split("/")
    if _percent_encoded(input_uri):
        return [name for name in names if name not in _NO_NAMES]
    impossible = _NO_NAMES if _percent_encoded(output_uri) else _NO_NAMES - {""}
    return [f"_{name}" if name.lstrip("_") in impossible else name for name in names]


def _as_folder(uri: str) -> str:
    return uri.rstrip("/") + "/"


def _names_of(uri: str) -> list[str]:
    """The names of a URI's path, decoded, host first where there is one. What a URL asks for is no part of a name."""
    _, separator, path = shown_url(uri).partition("://")
    path = path if separator else uri
    # Decoded first: an encoded slash divides names as well, so that none ever holds one.
    names = (_decoded(path) if _percent_encoded(uri) else path).split("/")
    return [name for name in names if name not in _NO_NAMES]


def _decoded(path: str) -> str:
    """As text, in which what is not UTF-8 is written as `\\xNN`: so no two names of files become one."""
    return unquote(path, errors="backslashreplace")


def _as_uri_path(uri: str, names: Sequence[str]) -> str:
    return "/".join(quote(name, safe=_SAFE) if _percent_encoded(uri) else name for name in names)


def _percent_encoded(uri: str) -> bool:
    # Object stores' URIs (s3://bucket/key) hold the key as it is.
    return is_url(uri) or uri.lower().startswith("file:")


_SAFE = "!$&'()*+,;=:@~"  # what RFC 3986 allows in a path besides letters, digits and -._
