"""Azure's URLs with a SAS token as their query: of one blob they are URLs like others, of a container they are not."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

SAS_ADVICE = "is an Azure URL with a SAS token: write az://container/blob, and give the token as auth.azure.sas_token"


def is_signed(token: str) -> bool:
    """Whether this has what every SAS token has."""
    return {"sv", "sig"} <= parse_qs(token).keys()


def is_sas_url(url: str) -> bool:
    """Whether this is the URL of a container or a blob with a SAS token."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    service = (parts.hostname or "").partition(".")[2]
    return (service.startswith("blob.") or ".blob.storage." in service) and is_signed(parts.query)


def is_container_sas_url(url: str) -> bool:
    """Whether it names no blob."""
    return is_sas_url(url) and "/" not in urlsplit(url).path.strip("/")
