"""Where the outputs of a job go: the output URI of each format, and of the notice that a failure leaves.

An output's name keeps the input's whole name (`a.wav` gives `a.wav.json`), so that `a.wav` and `a.mp3` in one folder
never write to the same file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never
from urllib.parse import quote, unquote

from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, TranscriptFormat
from batchscribe_server.domain.url import is_url, shown_url

NOTICE_SUFFIX = "notice"

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


def notice_uri(output: OutputConfig, input_uri: str, relative_path: str = "") -> str:
    """Where the notice goes when the file fails."""
    return f"{_stem_uri(output, input_uri, relative_path)}.{NOTICE_SUFFIX}"


def relative_paths(uris: Sequence[str]) -> list[str]:
    """Paths of the URIs of a manifest below the folder that all of them share, so that PREFIX can mirror them.

    URIs with different schemes or hosts share nothing: the host then is the first folder of the path.
    """
    paths = [_names_of(uri) for uri in uris]
    folders = [names[:-1] for names in paths]
    shared = 0
    for names in zip(*folders, strict=False):
        if len(set(names)) > 1:
            break
        shared += 1
    return ["/".join(names[shared:]) for names in paths]


def folder_of_outputs(output: OutputConfig, prefix_uri: str) -> str:
    """The path of the outputs' folder below an input's prefix, with a slash at its end; empty where they go elsewhere.

    Also where they go to the prefix itself: nothing tells them from inputs there but their names.
    """
    prefix, folder = (uri.rstrip("/") + "/" for uri in (prefix_uri, output.uri))
    if output.layout is not OutputLayout.PREFIX or not output.uri or not folder.startswith(prefix):
        return ""
    path = folder.removeprefix(prefix)
    return unquote(path) if _percent_encoded(folder) else path


def file_name(uri: str) -> str:
    """What the file of a URI is called, decoded; empty where the URI names nothing."""
    return next(iter(_names_of(uri)[-1:]), "")


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
            # A path from outside never climbs out of the prefix. In a key an empty name is a name like others.
            nothing = ("", ".", "..") if _percent_encoded(output.uri) else (".", "..")
            names = [name for name in relative_path.split("/") if name not in nothing] if relative_path else []
            names = names or _names_of(input_uri)[-1:]
            return f"{output.uri.rstrip('/')}/{_as_uri_path(output.uri, names)}"
        case _:
            assert_never(output.layout)


def _names_of(uri: str) -> list[str]:
    """The names of a URI's path, decoded, host first where there is one. What a URL asks for is no part of a name."""
    _, separator, path = shown_url(uri).partition("://")
    path = path if separator else uri
    # Decoded first: an encoded slash divides names as well, so that none ever holds one.
    names = (unquote(path) if _percent_encoded(uri) else path).split("/")
    return [name for name in names if name not in ("", ".", "..")]


def _as_uri_path(uri: str, names: Sequence[str]) -> str:
    return "/".join(quote(name, safe=_SAFE) if _percent_encoded(uri) else name for name in names)


def _percent_encoded(uri: str) -> bool:
    # Object stores' URIs (s3://bucket/key) hold the key as it is.
    return is_url(uri) or uri.lower().startswith("file:")


_SAFE = "!$&'()*+,;=:@~"  # what RFC 3986 allows in a path besides letters, digits and -._
