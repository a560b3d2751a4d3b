"""An upload: audio whose bytes the service keeps until the job that names it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.job import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Media:
    """A finished upload; `path` is where the bytes lie on this service, `sha256` their digest in hex."""

    id: str
    file_name: str
    size_bytes: int
    sha256: str
    path: str
    create_time: datetime
    expire_time: datetime
    tenant: str = DEFAULT_TENANT

    @property
    def name(self) -> str:
        """The resource name, also its input URI."""
        return f"media/{self.id}"
