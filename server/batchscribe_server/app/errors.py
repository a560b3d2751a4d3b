"""Why a server does not start."""

from __future__ import annotations


class StartupError(Exception):
    """The server cannot start, in words for its operator."""
