"""Where the audio is: URIs, globs and manifests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from batchscribe.v1 import recognition_pb2
from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.errors import FieldViolation, InvalidArgumentError, Violations
from batchscribe_server.domain.globs import GlobError, compiled
from batchscribe_server.domain.media import is_upload
from batchscribe_server.domain.url import is_url, scheme_of
from batchscribe_server.rpc.limits import MAX_URI_CHARS
from batchscribe_server.rpc.merge_config import EntryConfigs, has_own_config, is_config_path, mask_paths
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.sas_urls import SAS_ADVICE, is_container_sas_url, is_sas_url
from batchscribe_server.rpc.supported_fields import SUPPORTED_FIELDS, join
from batchscribe_server.rpc.validate_access import check_access
from batchscribe_server.rpc.validate_fetch import check_fetch
from batchscribe_server.rpc.validate_recognition import check_recognition
from batchscribe_server.rpc.validate_text import check_text

MAX_MANIFEST_FILES = 1_000
MAX_GLOBS = 100
MAX_GLOB_CHARS = 1_024

_SCHEMES = frozenset({"file", "s3", "az"})
_FOR_EXAMPLE = "file:///folder/name, s3://bucket/key or az://container/blob"
_MEDIA = re.compile(r"media/[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_CONFIG_FIELD = "batchscribe.v1.RecognitionConfig."


def check_job_input(input: pb.InputConfig, path: str, violations: Violations) -> None:
    """A job's input is one file."""
    _check_auth(input, path, violations)
    match input.WhichOneof("source"):
        case "prefix" | "manifest" as source:
            violations.add(f"{path}.{source}", "names many files; submit them with CreateBatch")
        case source:
            _check_single(input, source, path, violations)


def check_batch_input(
    input: pb.InputConfig, config: recognition_pb2.RecognitionConfig, path: str, violations: Violations
) -> None:
    """A batch's input is one file or many; the configs of a manifest's entries are checked as laid over `config`."""
    _check_auth(input, path, violations)
    match input.WhichOneof("source"):
        case "prefix":
            prefix = input.prefix
            check_uri(prefix.uri, f"{path}.prefix.uri", violations)
            _check_globs(prefix.include_globs, f"{path}.prefix.include_globs", violations, hidden=False)
            _check_globs(prefix.exclude_globs, f"{path}.prefix.exclude_globs", violations, hidden=True)
        case "manifest":
            _check_manifest(input.manifest, config, f"{path}.manifest", violations)
        case source:
            _check_single(input, source, path, violations)


CheckedConfigs = EntryConfigs[list[FieldViolation]]
"""What is wrong with the configs of entries, laid over their batch's, as paths below each."""


def checked_configs(base: recognition_pb2.RecognitionConfig) -> CheckedConfigs:
    """For the entries of one batch; what is wrong with its own config is said there."""

    def found(config: recognition_pb2.RecognitionConfig) -> list[FieldViolation]:
        violations = Violations()
        check_recognition(config, "", violations)
        return violations.found

    of_base = found(base)
    return EntryConfigs(base, lambda config: [each for each in found(config) if each not in of_base])


def check_manifest_entry(entry: pb.ManifestEntry, configs: CheckedConfigs, path: str, violations: Violations) -> None:
    """Check one file of a manifest; the path is empty where it stands in a file of its own.

    What is checked of its config is what it comes to over its batch's. Raises InvalidArgumentError where that is too
    much.
    """
    _check_file_or_upload(entry.uri, join(path, "uri"), violations)
    check_text(entry.reference_id, join(path, "reference_id"), violations)
    if has_own_config(entry):
        config_path = join(path, "config")
        violations.found += [replace(each, field=config_path + each.field) for each in configs.of(entry)]
    _check_config_mask(entry.config_mask, join(path, "config_mask"), violations)


def check_file_uri(uri: str, path: str, violations: Violations) -> None:
    """Check the URI of one file to read; whether it may be used is for the storage to say."""
    if is_url(uri) and uri.partition(":")[2].startswith("//") and len(uri) <= MAX_URI_CHARS:
        if is_container_sas_url(uri):
            violations.add(path, SAS_ADVICE)
        return
    check_uri(uri, path, violations)


def check_uri(uri: str, path: str, violations: Violations) -> None:
    """Check a URI that is listed or written to for its length and its scheme, as `check_file_uri` does."""
    scheme = scheme_of(uri)
    if not uri:
        violations.add(path, "is required")
    elif len(uri) > MAX_URI_CHARS:
        violations.add(path, f"is longer than {MAX_URI_CHARS} characters")
    elif not scheme:
        violations.add(path, f"{shown(uri)} is not a URI; write {_FOR_EXAMPLE}")
    elif is_url(uri):
        # A URL is never repeated here: its query may be a secret.
        readable = "is a URL, of which one file can be read but nothing listed or written: https://host/file"
        violations.add(path, SAS_ADVICE if is_sas_url(uri) else readable)
    elif scheme not in _SCHEMES or not uri[len(scheme) + 1 :].startswith("//"):
        violations.add(path, f"{shown(uri)} has no scheme that this server knows; write {_FOR_EXAMPLE}")


def schemes_of(input: pb.InputConfig) -> frozenset[str]:
    """The schemes of all URIs of an input; any where a file lists them, which is not read yet."""
    if input.manifest.manifest_uri:
        return _SCHEMES
    uris = (input.uri, input.fetch.url, input.prefix.uri, *(entry.uri for entry in input.manifest.files))
    return frozenset(map(scheme_of, uris))


def _check_auth(input: pb.InputConfig, path: str, violations: Violations) -> None:
    if input.HasField("auth"):
        check_access(input.auth, schemes_of(input), f"{path}.auth", violations)


def _check_single(input: pb.InputConfig, source: str | None, path: str, violations: Violations) -> None:
    match source:
        case "uri":
            check_file_uri(input.uri, f"{path}.uri", violations)
        case "media":
            _check_media(input.media, f"{path}.media", violations)
        case "fetch":
            check_fetch(input.fetch, f"{path}.fetch", violations)
        case None:
            violations.add(path, "is required: name a source, `uri` or `media` or another")
        case _:
            pass  # not supported, and noted as that


def _check_media(name: str, path: str, violations: Violations) -> None:
    if not _MEDIA.fullmatch(name):
        violations.add(path, f"{shown(name)} is not the name of an upload, media/{{id}}")


def _check_globs(globs: Sequence[str], path: str, violations: Violations, *, hidden: bool) -> None:
    if len(globs) > MAX_GLOBS:
        violations.add(path, f"holds {len(globs)} globs, at most {MAX_GLOBS} are taken")
        return
    problems = [(index, problem) for index, pattern in enumerate(globs) if (problem := _glob_problem(pattern))]
    for index, problem in problems:
        violations.add(f"{path}[{index}]", problem)
    if globs and not problems:
        try:
            compiled(globs, hidden=hidden)
        except GlobError as error:
            violations.add(path, str(error))


def _glob_problem(pattern: str) -> str:
    if not pattern:
        return "is empty"
    if len(pattern) > MAX_GLOB_CHARS:
        return f"is longer than {MAX_GLOB_CHARS} characters"
    if pattern.startswith("/"):
        return "begins with a slash, but paths below the prefix do not"
    return ""


def _check_manifest(
    manifest: pb.ManifestInput, config: recognition_pb2.RecognitionConfig, path: str, violations: Violations
) -> None:
    files = manifest.files
    if manifest.manifest_uri:
        _check_file_or_upload(manifest.manifest_uri, f"{path}.manifest_uri", violations)
        if files:
            violations.add(f"{path}.manifest_uri", "must be empty where `files` lists them, and the other way round")
    elif not files:
        violations.add(f"{path}.files", "is required: at least one file, or a `manifest_uri`")
    if len(files) > MAX_MANIFEST_FILES:
        violations.add(f"{path}.files", f"holds {len(files)} files, more than {MAX_MANIFEST_FILES} need a manifest_uri")
        return
    configs = checked_configs(config)
    for index, entry in enumerate(files):
        try:
            check_manifest_entry(entry, configs, f"{path}.files[{index}]", violations)
        except InvalidArgumentError as error:
            violations.found += [replace(each, field=f"{path}.files[{index}].config") for each in error.violations]
            return


def _check_file_or_upload(uri: str, path: str, violations: Violations) -> None:
    if is_upload(uri):
        _check_media(uri, path, violations)
    else:
        check_file_uri(uri, path, violations)


def _check_config_mask(mask: str, path: str, violations: Violations) -> None:
    for name in mask_paths(mask):
        if not is_config_path(name):
            violations.add(path, f"{shown(name)} is no field of RecognitionConfig")
        elif _CONFIG_FIELD + name.partition(".")[0] not in SUPPORTED_FIELDS:
            violations.add(path, f"{name} is not supported by this server yet", "FIELD_NOT_SUPPORTED")
