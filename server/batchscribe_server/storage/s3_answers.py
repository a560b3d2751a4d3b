"""What the answers of S3 services mean, in plain words, which never hold what a service said."""

from __future__ import annotations

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
CHANGED = frozenset({"412", "PreconditionFailed"})
TAKEN = frozenset({"409", "412", "ConditionalRequestConflict", "PreconditionFailed"})
NO_UPLOAD = frozenset({"NoSuchUpload"})
TOO_BUSY = frozenset({"InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "ThrottlingException"})

EXPIRED = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
"""A token is not taken, or not any more."""

_DENIED = {
    "401": "access is denied",
    "403": "access is denied",
    "AccessDenied": "access is denied",
    "AllAccessDisabled": "access is denied",
    "ExpiredToken": "the credentials have expired",
    "InvalidAccessKeyId": "the access key is unknown",
    "InvalidToken": "the session token is not valid",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "TokenRefreshRequired": "the credentials have expired",
}


def denial(code: str, status: str) -> str:
    """What was wrong with the credentials; nothing where an answer says nothing of them."""
    if code.startswith("KMS."):
        return "the KMS key cannot be used"
    return _DENIED.get(code) or _DENIED.get(status, "")


def failure(uri: str, code: str, status: str) -> str:
    """What to say of any other answer to a request for that URI."""
    if code == "NoSuchBucket":
        return f"{uri}: there is no such bucket"
    if code in NO_UPLOAD:
        return f"{uri}: its upload in parts was ended by another"
    if code in MISSING or status in MISSING:
        return f"there is no object {uri}; it may have been moved or removed"
    return f"{uri}: the object store answered {code or status}"
