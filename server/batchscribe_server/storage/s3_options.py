"""How a service that speaks S3 is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

ANY_BUCKET = "*"


@dataclass(frozen=True, slots=True)
class S3Options:
    """How the service is reached, and which buckets may be named (`ANY_BUCKET` for all).

    Without keys, credentials are found as by every AWS tool: environment, profile, the machine's role. `addressing` is
    "auto", "path" or "virtual". A call is tried `max_attempts` times, the last after some twenty seconds of pauses.
    """

    buckets: frozenset[str]
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    addressing: str = "auto"
    max_attempts: int = 6
