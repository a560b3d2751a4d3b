"""Credentials that come with a request: what they must hold, and that there is something to use them on."""

from __future__ import annotations

from collections.abc import Collection

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.access import is_endpoint, is_region, is_word
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.limits import MAX_SECRET_CHARS
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.validate_azure import check_azure

MAX_PROFILE_CHARS = 128

MAX_ID_CHARS = 2_048

_SCHEMES = {"s3": ("s3",), "ibm": ("s3",), "azure": ("az",), "profile": ("s3", "az")}
"""What credentials of a kind are for."""


def check_access(auth: pb.StorageAuth, schemes: Collection[str], path: str, violations: Violations) -> None:
    """Note what is wrong with the credentials for URIs of these schemes. No secret is ever shown."""
    kind = auth.WhichOneof("credentials")
    match kind:
        case None:
            violations.add(path, "is empty: give credentials or a profile, or leave it out")
            return
        case "profile":
            if not 0 < len(auth.profile) <= MAX_PROFILE_CHARS:
                violations.add(f"{path}.profile", "must be the name of a profile of this server")
        case "s3":
            _check_s3(auth.s3, f"{path}.s3", violations)
        case "ibm":
            _check_ibm(auth.ibm, f"{path}.ibm", violations)
        case "azure":
            check_azure(auth.azure, f"{path}.azure", violations)
        case _:
            return  # not supported, and noted as that
    if not set(_SCHEMES[kind]) & set(schemes):
        kinds = " and ".join(f"{scheme}://" for scheme in _SCHEMES[kind])
        violations.add(f"{path}.{kind}", f"is for {kinds} URIs, and there is none here; leave it out")


def _check_s3(credentials: pb.S3Credentials, path: str, violations: Violations) -> None:
    for name in ("access_key_id", "secret_access_key"):
        if not getattr(credentials, name):
            violations.add(f"{path}.{name}", "is required")
    for name in ("access_key_id", "secret_access_key", "session_token"):
        _check_secret(getattr(credentials, name), f"{path}.{name}", violations)
    if credentials.endpoint:
        _check_endpoint(credentials.endpoint, f"{path}.endpoint", violations)
    _check_region(credentials.region, f"{path}.region", violations)
    if credentials.kms_key_id:
        _check_id(credentials.kms_key_id, f"{path}.kms_key_id", violations)
        if credentials.server_side_encryption != pb.SERVER_SIDE_ENCRYPTION_KMS:
            violations.add(f"{path}.kms_key_id", "is for the server_side_encryption KMS alone")


def _check_ibm(credentials: pb.IbmCredentials, path: str, violations: Violations) -> None:
    for name in ("apikey", "endpoint", "resource_instance_id"):
        if not getattr(credentials, name):
            violations.add(f"{path}.{name}", "is required")
    _check_secret(credentials.apikey, f"{path}.apikey", violations)
    if credentials.endpoint:
        _check_endpoint(credentials.endpoint, f"{path}.endpoint", violations)
    if credentials.resource_instance_id:
        _check_id(credentials.resource_instance_id, f"{path}.resource_instance_id", violations)
    _check_region(credentials.region, f"{path}.region", violations)


def _check_secret(value: str, path: str, violations: Violations) -> None:
    if len(value) > MAX_SECRET_CHARS:
        violations.add(path, f"is longer than {MAX_SECRET_CHARS} characters")
    elif not value.isascii() or not value.isprintable() or value != value.strip():
        violations.add(path, "holds characters that no credentials have, or spaces around them")


def _check_id(value: str, path: str, violations: Violations) -> None:
    if len(value) > MAX_ID_CHARS:
        violations.add(path, f"is longer than {MAX_ID_CHARS} characters")
    elif not is_word(value):
        violations.add(path, f"{shown(value)} holds spaces, or characters that are not ASCII")


def _check_endpoint(value: str, path: str, violations: Violations) -> None:
    if not is_endpoint(value):
        violations.add(path, f"{shown(value)} is not a URL like https://s3.example.org")


def _check_region(value: str, path: str, violations: Violations) -> None:
    if value and not is_region(value):
        violations.add(path, f"{shown(value)} is not the name of a region, such as eu-west-1")
