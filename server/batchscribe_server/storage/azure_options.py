"""How an account of Azure Blob Storage is reached."""

from __future__ import annotations

from dataclasses import dataclass, field

ANY_CONTAINER = "*"


@dataclass(frozen=True, slots=True)
class AzureOptions:
    """How the account is reached, and which containers may be named (`ANY_CONTAINER` for all).

    Either a key or a SAS token, or neither: then containers are read that anyone may read. A request is sent again
    `max_retries` times, and three times at most where nobody is there. With `public_only` its host must lead to
    addresses of the public internet.
    """

    containers: frozenset[str]
    account_url: str
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)
    max_retries: int = 5
    public_only: bool = False
