"""Where transcripts go: layouts, URIs, formats and subtitles."""

from __future__ import annotations

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.url import is_url
from batchscribe_server.rpc.validate_access import check_access
from batchscribe_server.rpc.validate_input import check_uri, is_upload, scheme_of, schemes_of

MAX_CHARS_PER_SECOND = 100
MAX_START_INDEX = 1_000_000


def check_output(output: pb.OutputConfig, input: pb.InputConfig, path: str, violations: Violations) -> None:
    """Note what is wrong with an output, also for what its input is."""
    if output.uri:
        check_uri(output.uri, f"{path}.uri", violations)
    if output.HasField("auth"):
        # Outputs next to their inputs lie where these do.
        is_adjacent = output.layout == pb.OUTPUT_LAYOUT_ADJACENT
        schemes = schemes_of(input) if is_adjacent else {scheme_of(output.uri)}
        check_access(output.auth, schemes, f"{path}.auth", violations)
    match output.layout:
        case pb.OUTPUT_LAYOUT_SINGLE:
            _check_single(output, input, path, violations)
        case pb.OUTPUT_LAYOUT_PREFIX if not output.uri:
            violations.add(f"{path}.uri", "is required for the layout PREFIX: the folder to write to")
        case pb.OUTPUT_LAYOUT_ADJACENT:
            if output.uri:
                violations.add(f"{path}.uri", "must be empty for the layout ADJACENT, which writes next to the input")
            uris = [input.media or input.uri, *(entry.uri for entry in input.manifest.files)]
            # Once of each kind, for it is said of the layout.
            for problem in dict.fromkeys(filter(None, map(adjacent_problem, uris))):
                violations.add(f"{path}.layout", problem)
        case _:
            pass
    _check_subtitles(output.subtitles, f"{path}.subtitles", violations)


def adjacent_problem(uri: str) -> str:
    """Why nothing can be written next to an input; empty where it can."""
    if is_upload(uri):
        return "must not be ADJACENT for an upload, which lies in no folder of yours"
    return "must not be ADJACENT for a URL, next to which nothing can be written" if is_url(uri) else ""


def _check_single(output: pb.OutputConfig, input: pb.InputConfig, path: str, violations: Violations) -> None:
    if not output.uri:
        violations.add(f"{path}.uri", "is required for the layout SINGLE: the file to write")
    elif scheme_of(output.uri) in ("s3", "az") and "/" not in output.uri.partition("://")[2]:
        violations.add(f"{path}.uri", "names a bucket alone: for the layout SINGLE it is the file to write")
    lists_many = len(input.manifest.files) > 1 or input.manifest.manifest_uri
    if input.WhichOneof("source") == "prefix" or lists_many:
        violations.add(f"{path}.layout", "must not be SINGLE for many files; use PREFIX or ADJACENT")


def _check_subtitles(subtitles: pb.SubtitleConfig, path: str, violations: Violations) -> None:
    if subtitles.max_line_width and not 10 <= subtitles.max_line_width <= 200:
        violations.add(f"{path}.max_line_width", "must be from 10 to 200, or 0")
    if not 0 <= subtitles.max_lines <= 10:
        violations.add(f"{path}.max_lines", "must be from 1 to 10, or 0")
    speed = subtitles.max_chars_per_second
    if speed and not 1 <= speed <= MAX_CHARS_PER_SECOND:
        violations.add(
            f"{path}.max_chars_per_second", f"must be from 1 to {MAX_CHARS_PER_SECOND}, or 0 for the default"
        )
    if not 0 <= subtitles.start_index <= MAX_START_INDEX:
        violations.add(f"{path}.start_index", f"must be from 0 to {MAX_START_INDEX}")
