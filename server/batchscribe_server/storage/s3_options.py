"""How a service that speaks S3 is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchscribe_server.domain.access import Encryption
from batchscribe_server.storage.s3_checksums import Checksum

ANY_BUCKET = "*"

IBM_IAM_URL = "https://iam.cloud.ibm.com/identity/token"
"""Where IBM Cloud gives tokens for API keys."""


@dataclass(frozen=True, slots=True)
class IbmKey:
    """An API key of IBM Cloud, for a service instance of Object Storage; `iam_url` gives tokens for it."""

    apikey: str = field(repr=False)
    resource_instance_id: str
    iam_url: str = IBM_IAM_URL


@dataclass(frozen=True, slots=True)
class S3Options:
    """How the service is reached, and which buckets may be named (`ANY_BUCKET` for all).

    Without keys, credentials are found as by every AWS tool: environment, profile, the machine's role. With an IBM key
    requests carry a token instead of a signature. `addressing` is "auto", "path" or "virtual". A call is tried
    `max_attempts` times, the last after some twenty seconds of pauses. Without an `encryption` outputs are encrypted as
    their bucket says; `kms_key_id` goes with KMS. `check_downloads`: compare inputs with what the service says of them.
    """

    buckets: frozenset[str]
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing: str = "auto"
    max_attempts: int = 6
    ibm: IbmKey | None = None
    requester_pays: bool = False
    encryption: Encryption | None = None
    kms_key_id: str = ""
    checksum: Checksum = Checksum.MD5
    check_downloads: bool = True
