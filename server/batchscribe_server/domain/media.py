"""An upload: audio whose bytes the service keeps until the job that names it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.job import DEFAULT_TENANT

_COLLECTION = "media/"


@dataclass(frozen=True, slots=True)
class Media:
    """A finished upload; `path` is where the bytes lie, a file of the service or the URI of an object in a bucket, and
    `sha256` their digest in hex.
    """

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
        return f"{_COLLECTION}{self.id}"

    @property
    def is_object(self) -> bool:
        """Whether its bytes lie in a bucket."""
        return "://" in self.path

    @property
    def output_name(self) -> str:
        """The name that outputs take from it: its file's where it came from, or its id."""
        return self.file_name or self.id


def is_upload(uri: str) -> bool:
    """Whether an input's URI names an upload."""
    return uri.startswith(_COLLECTION)


def upload_id(uri: str) -> str:
    """The id of the upload that a URI names."""
    return uri.removeprefix(_COLLECTION)
