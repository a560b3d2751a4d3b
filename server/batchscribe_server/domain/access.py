"""What a batch or a job reaches its files with: a profile of the server's settings, or what the client gave."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"  # of a host's name (RFC 1123)
_REGION = re.compile(rf"(?![0-9]+\Z){_LABEL}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_WORD = re.compile(r"[!-~]+")  # what may stand in a header, without spaces
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?|[0-9A-Fa-f:.]+")


class Encryption(StrEnum):
    """How a service that speaks S3 is told to encrypt outputs: with its own keys, or with one of AWS KMS."""

    AES256 = "AES256"
    KMS = "aws:kms"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile that the operator has set up, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """A client's own credentials for a service that speaks S3; without an endpoint, for AWS."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    endpoint: str = ""
    region: str = ""
    requester_pays: bool = False
    encryption: Encryption | None = None
    kms_key_id: str = ""


@dataclass(frozen=True, slots=True)
class AzureCredentials:
    """A client's own credentials for an account of Azure Blob Storage: its key, or a SAS token without its `?`."""

    account_url: str
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class IbmCredentials:
    """A client's own API key for IBM Cloud Object Storage."""

    apikey: str = field(repr=False)
    endpoint: str
    resource_instance_id: str
    region: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A URL whose query or request headers are secrets: everywhere else the file is called by `shown_url` of it."""

    url: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


Access = Profile | S3Credentials | AzureCredentials | IbmCredentials | Fetch


@dataclass(frozen=True, slots=True)
class StorageAccess:
    """The access to the inputs and to the outputs. None: what the server has without being told."""

    input: Access | None = None
    output: Access | None = None

    @property
    def holds_secrets(self) -> bool:
        """Whether it is to be forgotten once it is not needed any more."""
        return _is_secret(self.input) or _is_secret(self.output)

    @property
    def without_secrets(self) -> StorageAccess | None:
        """What outputs are still reached with once the secrets are forgotten; None where that takes one."""
        return None if _is_secret(self.output) else StorageAccess(None, self.output)

    def __bool__(self) -> bool:
        return self != StorageAccess()


def _is_secret(access: Access | None) -> bool:
    return access is not None and not isinstance(access, Profile)


def is_region(text: str) -> bool:
    """Whether this may be the name of a region."""
    return _REGION.fullmatch(text) is not None


def is_word(text: str) -> bool:
    """Whether this is printable ASCII without spaces, as identifiers and credentials are."""
    return _WORD.fullmatch(text) is not None


def is_bare_url(url: str) -> bool:
    """Whether this is a URL without what may be a secret: http or https, a host, perhaps a port and a path."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not {"@", "?", "#"} & set(url)


def is_endpoint(url: str) -> bool:
    """Whether this is the URL of a service: http or https, a host, perhaps a port, and nothing more."""
    if not is_bare_url(url):
        return False
    parts = urlsplit(url)
    return parts.path in ("", "/") and _HOST.fullmatch(parts.hostname or "") is not None


def is_account_url(url: str) -> bool:
    """Whether this is the URL of a storage account: an endpoint, with the account's name as its path or without."""
    base, slash, account = url.removesuffix("/").rpartition("/")
    return is_endpoint(url) or (bool(slash) and _ACCOUNT.fullmatch(account) is not None and is_endpoint(base))
