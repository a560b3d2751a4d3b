"""Resources by their names, or by themselves."""

from __future__ import annotations

from batchscribe.transcripts import Transcript
from batchscribe.v1.batch_pb2 import Batch
from batchscribe.v1.job_pb2 import Job

JobName = str | Job | Transcript
"""A job's resource name, `jobs/{id}`, or what has one."""
BatchName = str | Batch
"""A batch's resource name, `batches/{id}`, or what has one."""


def name_of(resource: JobName | BatchName) -> str:
    """The resource name. Raises TypeError for what has none."""
    match resource:
        case str():
            return resource
        case Job() | Batch():
            return resource.name
        case Transcript():
            return resource.job.name
        case _:
            raise TypeError(f"neither a name nor a job or batch: {type(resource).__name__}")
