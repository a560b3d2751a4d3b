"""Etags: the sequence of a resource's last event, sealed with the resource's name so that nobody reads or makes one."""

from __future__ import annotations

import hashlib

from batchscribe_server.domain.errors import EtagMismatchError


def etag(name: str, sequence: int) -> str:
    """The etag of a resource as it is at that sequence."""
    return f"{sequence:x}-{_seal(name, sequence)}"


def store_etag(name: str, given: str) -> str:
    """The sequence in an etag that a client gave, as the store compares it; empty when the client gave none.

    Raises EtagMismatchError for one that was not made for this resource.
    """
    if not given:
        return ""
    digits = given.partition("-")[0]
    sequence = int(digits, 16) if 0 < len(digits) <= 16 and set(digits) <= set("0123456789abcdef") else -1
    if given != etag(name, sequence):
        raise EtagMismatchError(f"the etag is not one of {name}", resource=name)
    return str(sequence)


def _seal(name: str, sequence: int) -> str:
    return hashlib.sha256(f"{name} {sequence}".encode()).hexdigest()[:12]
