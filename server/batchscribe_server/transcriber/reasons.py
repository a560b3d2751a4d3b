"""Reasons as the children write them, read as the domain's."""

from __future__ import annotations

from batchscribe_server.domain.errors import Reason


def known_reason(text: str, otherwise: Reason) -> Reason:
    """The reason of that name, or `otherwise` where a child names one that doesn't exist."""
    try:
        return Reason(text)
    except ValueError:
        return otherwise
