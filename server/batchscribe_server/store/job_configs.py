"""The configs of jobs: a large one lies once for each batch in `batch_configs`, however many of its files have it.

A small one stands in the row of its job, where servers of an earlier version read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, RowMapping, bindparam, select

from batchscribe_server.domain.job import Job
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.store import tables
from batchscribe_server.store.configs import SharedConfig
from batchscribe_server.store.dialect import insert_if_absent
from batchscribe_server.store.rows import JOB_FIELDS

MAX_OWN_BYTES = 2_048
"""How large a config may be as JSON to stand in the row of its job."""

_configs = tables.batch_configs.c
_CONFIG = select(_configs.config).where(
    _configs.batch_id == bindparam("of_batch"), _configs.digest == bindparam("of_digest")
)


class ConfigWriter:
    """Writes the configs of new jobs of batches; of those that many jobs share, each is looked at once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._written: dict[tuple[str, int], tuple[RecognitionConfig, RecognitionConfig | SharedConfig]] = {}

    def column(self, job: Job) -> RecognitionConfig | SharedConfig:
        """What the job's row holds."""
        if not job.batch_id:
            return job.config
        key = (job.batch_id, id(job.config))
        if key not in self._written:
            value: RecognitionConfig | SharedConfig = job.config
            text = msgspec.json.encode(job.config)
            if len(text) > MAX_OWN_BYTES:
                value = SharedConfig(hashlib.sha256(text).hexdigest())
                row = {"batch_id": job.batch_id, "digest": value.digest, "config": job.config}
                insert_if_absent(self._connection, tables.batch_configs, row)
            # With the config itself: its id is its own for as long as it is kept.
            self._written[key] = (job.config, value)
        return self._written[key][1]


def jobs_from_rows(connection: Connection, rows: Iterable[RowMapping]) -> list[Job]:
    """Rows of `jobs`; those that share a config share it here too."""
    found = list(rows)
    named = {(row["batch_id"], row["config"].digest) for row in found if isinstance(row["config"], SharedConfig)}
    shared = {(batch_id, digest): _config(connection, batch_id, digest) for batch_id, digest in named}
    jobs = []
    for row in found:
        values = {name: row[name] for name in JOB_FIELDS}
        if isinstance(values["config"], SharedConfig):
            values["config"] = shared[row["batch_id"], values["config"].digest]
        jobs.append(Job(**values))
    return jobs


def job_from_row(connection: Connection, row: RowMapping) -> Job:
    """A row of `jobs`."""
    return jobs_from_rows(connection, [row])[0]


def _config(connection: Connection, batch_id: str, digest: str) -> RecognitionConfig:
    config: RecognitionConfig = connection.execute(_CONFIG, {"of_batch": batch_id, "of_digest": digest}).scalar_one()
    return config
