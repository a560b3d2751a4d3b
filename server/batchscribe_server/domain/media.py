"""An upload: audio whose bytes the service keeps until the job that names it has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from batchscribe_server.domain.job import DEFAULT_TENANT, Job

_SEPARATOR = re.compile(r"[/\\]")  # of whatever system it came from
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
        """The name that outputs take from it: its file's where it came from, without folders, or its id."""
        name = _SEPARATOR.split(self.file_name)[-1]
        return name if name.strip(".") else self.id


def shown_input(job: Job) -> str:
    """What a job's input is called where it is shown: an upload by the name of its file, others by their URIs."""
    return job.relative_path or job.input_uri if is_upload(job.input_uri) else job.input_uri


def is_upload(uri: str) -> bool:
    """Whether an input's URI names an upload."""
    return uri.startswith(_COLLECTION)


def upload_id(uri: str) -> str:
    """The id of the upload that a URI names."""
    return uri.removeprefix(_COLLECTION)
