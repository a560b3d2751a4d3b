"""Credentials that come with a request: what they must hold, and that there is something to use them on."""

from __future__ import annotations

from collections.abc import Collection

from batchscribe.v1 import storage_pb2 as pb
from batchscribe_server.domain.access import is_endpoint, is_region
from batchscribe_server.domain.errors import Violations
from batchscribe_server.rpc.names import shown
from batchscribe_server.rpc.validate_azure import check_azure

MAX_SECRET_CHARS = 4_096
MAX_PROFILE_CHARS = 128

_SCHEMES = {"s3": ("s3",), "azure": ("az",), "profile": ("s3", "az")}
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
        value = getattr(credentials, name)
        if len(value) > MAX_SECRET_CHARS:
            violations.add(f"{path}.{name}", f"is longer than {MAX_SECRET_CHARS} characters")
        elif not value.isascii() or not value.isprintable() or value != value.strip():
            violations.add(f"{path}.{name}", "holds characters that no credentials have, or spaces around them")
    if credentials.region and not is_region(credentials.region):
        violations.add(f"{path}.region", f"{shown(credentials.region)} is not the name of a region, such as eu-west-1")
    if credentials.endpoint and not is_endpoint(credentials.endpoint):
        violations.add(f"{path}.endpoint", f"{shown(credentials.endpoint)} is not a URL like https://s3.example.org")
