"""What Azure Blob Storage's answers mean, in words for the operator, by their codes."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs

MISSING = frozenset({"BlobNotFound", "ResourceNotFound"})
_NO_CONTAINER = frozenset({"ContainerBeingDeleted", "ContainerNotFound"})

_DENIED = {
    "AccountIsDisabled": "the storage account is disabled",
    "AuthorizationFailure": "access is denied",
    "AuthorizationPermissionMismatch": "the SAS token does not permit this",
    "AuthorizationProtocolMismatch": "the SAS token does not permit this protocol",
    "AuthorizationResourceTypeMismatch": "the SAS token does not permit this kind of resource",
    "AuthorizationServiceMismatch": "the SAS token is for another service",
    "AuthorizationSourceIPMismatch": "the SAS token does not permit this server's address",
    "InsufficientAccountPermissions": "the storage account does not permit this",
    "KeyBasedAuthenticationNotPermitted": "the storage account does not permit account keys",
    "NoAuthenticationInformation": "access is denied without an account key or a SAS token",
    "PublicAccessNotPermitted": "access is denied without an account key or a SAS token",
    "UnauthorizedBlobOverwrite": "the SAS token does not permit to overwrite",
}
_DENIED_STATUSES = frozenset({401, 403})


def denial(code: str, status: int | None, sas_token: str, now: datetime) -> str:
    """What to say of an answer with that code and HTTP status; empty where it does not deny access.

    `sas_token` is what the request was made with, empty for an account key or neither.
    """
    if code not in _DENIED and status not in _DENIED_STATUSES:
        return ""
    if sas_token and _has_expired(sas_token, now):
        # The service tells only in prose that may change, and not at all where an answer has no body.
        return "the SAS token has expired"
    if code == "AuthenticationFailed":
        return "the SAS token is not valid" if sas_token else "the account key is wrong"
    return _DENIED.get(code, "access is denied")


def failure(uri: str, code: str, status: int) -> str:
    """What to say of any other answer to a request for that URI."""
    if code in _NO_CONTAINER:
        return f"{uri}: there is no such container"
    if code in MISSING:
        return f"there is no blob {uri}; it may have been moved or removed"
    if code == "InvalidBlockList":
        return f"{uri} was written by another at the same time"
    return f"{uri}: the object store answered {code or status}"


def _has_expired(sas_token: str, now: datetime) -> bool:
    """Whether the end of the token's validity has passed. Not where it names none: a policy of the container does."""
    try:
        expires = datetime.fromisoformat(parse_qs(sas_token.removeprefix("?"))["se"][0])
    except (KeyError, ValueError):
        return False
    return (expires if expires.tzinfo else expires.replace(tzinfo=UTC)) <= now
