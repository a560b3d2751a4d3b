"""`az://container/blob` and its parts. A name is taken as it stands: nothing in it is percent-encoded."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

SCHEME = "az"

MAX_BLOB_CHARS = 1024

_PREFIX = f"{SCHEME}://"

# Letters in lower case, digits, and single hyphens between them; or one of the containers that the service names.
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*|\$(?:root|web|logs)")
# Azure takes a backslash for a slash.
_SEPARATOR = re.compile(r"[/\\]")


class MalformedAzureUriError(ValueError):
    """Not a URI of a container and a blob; the message is plain words."""


class AzureAddress(NamedTuple):
    """A container and the name of a blob in it, which is empty for the container itself."""

    container: str
    blob: str


def azure_address(uri: str) -> AzureAddress:
    """The parts of a URI. Raises MalformedAzureUriError."""
    if uri[: len(_PREFIX)].lower() != _PREFIX:
        raise MalformedAzureUriError(f"{uri!r} is not an az:// URI")
    container, _, blob = uri[len(_PREFIX) :].partition("/")
    if not _CONTAINER.fullmatch(container):
        raise MalformedAzureUriError(
            f"{uri!r} names no container: write az://container/blob; a container's name has 3 to 63 lower-case "
            "letters, digits and single hyphens"
        )
    if len(blob) > MAX_BLOB_CHARS:
        raise MalformedAzureUriError(f"the blob's name in {uri[:80]!r}… is longer than {MAX_BLOB_CHARS} characters")
    # The name becomes part of a URL's path, where such steps may lead into another container.
    if any(name in (".", "..") for name in _SEPARATOR.split(blob)):
        raise MalformedAzureUriError(f"the blob's name in {uri!r} has a step that is only dots, which no URL can hold")
    return AzureAddress(container, blob)


def azure_uri(container: str, blob: str) -> str:
    """The URI of a blob."""
    return f"{_PREFIX}{container}/{blob}"


def account_name(account_url: str) -> str:
    """The account that the URL of a blob service names: `https://NAME.blob.…`, or the first name of its path.

    The latter is how services are named that have no domain, such as emulators. Empty where there is neither.
    """
    parts = urlsplit(account_url)
    return parts.path.strip("/").partition("/")[0] or (parts.hostname or "").partition(".")[0]
