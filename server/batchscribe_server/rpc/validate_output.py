"""Where transcripts go: layouts, URIs, formats and subtitles."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from batchscribe.v1 import recognition_pb2
from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.layout import output_suffix
from batchscribe_server.domain.media import is_upload
from batchscribe_server.domain.url import is_url, scheme_of
from batchscribe_server.rpc.convert_storage import transcript_format
from batchscribe_server.rpc.merge_config import entry_config
from batchscribe_server.rpc.validate_access import check_access
from batchscribe_server.rpc.validate_input import check_uri, schemes_of
from batchscribe_server.rpc.validate_recognition import separates_channels

MAX_CHARS_PER_SECOND = 100
MAX_START_INDEX = 1_000_000


def check_output(
    output: pb.OutputConfig,
    input: pb.InputConfig,
    config: recognition_pb2.RecognitionConfig,
    path: str,
    violations: Violations,
) -> None:
    """Note what is wrong with an output, also for what its input and the recognition are."""
    if output.uri:
        check_uri(output.uri, f"{path}.uri", violations)
    if output.HasField("auth"):
        check_access(output.auth, _written_schemes(output, input), f"{path}.auth", violations)
    match output.layout:
        case pb.OUTPUT_LAYOUT_SINGLE:
            _check_single(output, input, path, violations)
        case pb.OUTPUT_LAYOUT_PREFIX if not output.uri:
            violations.add(f"{path}.uri", "is required for the layout PREFIX: the folder to write to")
        case pb.OUTPUT_LAYOUT_ADJACENT:
            if output.uri:
                violations.add(f"{path}.uri", "must be empty for the layout ADJACENT, which writes next to the input")
            uris = [input.media or input.fetch.url or input.uri, *(entry.uri for entry in input.manifest.files)]
            # Once of each kind, for it is said of the layout.
            for problem in dict.fromkeys(filter(None, map(adjacent_problem, uris))):
                violations.add(f"{path}.layout", problem)
        case _:
            pass
    if output.file_per_channel:
        _check_file_per_channel(output, input, config, f"{path}.file_per_channel", violations)
    if pb.TRANSCRIPT_FORMAT_SUMMARY in output.formats:
        _check_summary(input, config, f"{path}.formats", violations)
    _check_subtitles(output.subtitles, f"{path}.subtitles", violations)


def _check_file_per_channel(
    output: pb.OutputConfig,
    input: pb.InputConfig,
    config: recognition_pb2.RecognitionConfig,
    path: str,
    violations: Violations,
) -> None:
    """A file of a batch may do without channels, if any may have some."""
    if not output.uri and output.layout != pb.OUTPUT_LAYOUT_ADJACENT:
        violations.add(path, "needs an output; of transcripts that the service keeps, GetTranscript reads any channel")
    if not input.manifest.manifest_uri and not any(map(separates_channels, _configs(input, config))):
        violations.add(path, "needs channels that are heard apart: config.channel_separation")


def _check_summary(
    input: pb.InputConfig, config: recognition_pb2.RecognitionConfig, path: str, violations: Violations
) -> None:
    """A file of a batch may do without a summary that its own config leaves out, if any may have one."""
    if not input.manifest.manifest_uri and not any(one.summary.style for one in _configs(input, config)):
        violations.add(path, "holds TRANSCRIPT_FORMAT_SUMMARY, which needs config.summary.style")


def _configs(
    input: pb.InputConfig, config: recognition_pb2.RecognitionConfig
) -> Iterator[recognition_pb2.RecognitionConfig]:
    """The config, and what the files of a manifest have instead."""
    yield config
    for entry in input.manifest.files:
        yield entry_config(config, entry)


def check_report(output: pb.OutputConfig, input: pb.InputConfig, path: str, violations: Violations) -> None:
    """Note a report of a batch that there is no place for."""
    if not output.write_report:
        return
    if output.layout == pb.OUTPUT_LAYOUT_ADJACENT:
        if input.WhichOneof("source") == "manifest":
            violations.add(
                f"{path}.write_report", "has no one place next to the files of a manifest; use PREFIX or leave it unset"
            )
    elif not output.uri:
        violations.add(f"{path}.write_report", "needs a place: name an output URI, for the service keeps no reports")


def check_encryption(input: pb.InputConfig, output: pb.OutputConfig, path: str, violations: Violations) -> None:
    """Note an encryption among the input's credentials, below `path`, with which no output is written."""
    is_for_outputs = not output.HasField("auth") and "s3" in _written_schemes(output, input)
    if input.auth.s3.server_side_encryption and not is_for_outputs:
        violations.add(
            f"{path}.auth.s3.server_side_encryption",
            "is for outputs, and none are written to s3:// URIs with these credentials; leave it out",
        )


def _written_schemes(output: pb.OutputConfig, input: pb.InputConfig) -> Collection[str]:
    """The schemes of the outputs' URIs. Outputs next to their inputs lie where these do."""
    return schemes_of(input) if output.layout == pb.OUTPUT_LAYOUT_ADJACENT else {scheme_of(output.uri)}


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
    else:
        _check_suffix(output, f"{path}.uri", violations)
    lists_many = len(input.manifest.files) > 1 or input.manifest.manifest_uri
    if input.WhichOneof("source") == "prefix" or lists_many:
        violations.add(f"{path}.layout", "must not be SINGLE for many files; use PREFIX or ADJACENT")


def _check_suffix(output: pb.OutputConfig, path: str, violations: Violations) -> None:
    """A file that is written under the very name that it is given has to say what it is, and replaces nothing else."""
    formats = {transcript_format(format) for format in output.formats or [pb.TRANSCRIPT_FORMAT_UNSPECIFIED]}
    if len(formats) > 1 or output.uri.endswith("/"):
        return  # the suffixes are added to the name
    suffix = output_suffix(*formats)
    if not output.uri.lower().endswith(suffix):
        violations.add(path, f"must end with {suffix}, the suffix of its format, or with a slash for a folder")


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
