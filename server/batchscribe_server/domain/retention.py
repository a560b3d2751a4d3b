"""How long the service keeps batches and jobs once they have ended."""

from __future__ import annotations

from dataclasses import dataclass

from batchscribe_server.domain.errors import Violations

MAX_RETENTION_S = 36_525 * 86_400
"""A hundred years: for ever is what a server that says so gives to those who ask for nothing."""


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """What the operator allows: `default_ms` for those who ask for nothing, 0 for ever; `max_ms`, 0 for no limit."""

    default_ms: int = 0
    max_ms: int = 0

    def granted(self, asked_ms: int | None, path: str, violations: Violations) -> int:
        """The retention of a resource in milliseconds, 0 for ever; one that is too long is noted as a violation."""
        if asked_ms is None:
            return self.default_ms
        if self.max_ms and asked_ms > self.max_ms:
            limit = f"{self.max_ms / 1000:g} seconds"
            violations.add(path, f"is longer than this server keeps results: {limit}", "RETENTION_TOO_LONG")
        return asked_ms
