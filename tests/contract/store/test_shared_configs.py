"""A large config is stored once for its batch, however many files have it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.store import ListQuery, ScanChunk
from batchscribe_server.store import SqlStore
from tests.contract.store.samples import TENANT, all_jobs, claim_one, new_batch, new_job

LARGE = RecognitionConfig(initial_prompt="é" * 2_000, hotwords=tuple(f"word {number}" * 9 for number in range(200)))
FILES = 100


def stored_bytes(path: str) -> int:
    """What the configs take in a database of SQLite."""
    lengths = (
        "SELECT (SELECT SUM(LENGTH(config)) FROM jobs) + (SELECT SUM(LENGTH(input) + LENGTH(config)) FROM batches)"
        " + (SELECT SUM(LENGTH(config)) FROM batch_configs)"
    )
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(lengths).fetchone()[0])


async def test_it_is_read_back_for_each_file_and_takes_its_room_once(store: SqlStore, database_url: str) -> None:
    theirs = replace(LARGE, language="en")
    files = tuple(ManifestEntry(f"file:///{number}.wav", config=theirs) for number in range(FILES))
    batch = await store.create_batch(replace(new_batch(), config=LARGE, input=ManifestInput(files)))
    jobs = [replace(new_job(), ordinal=number, config=theirs if number else LARGE) for number in range(FILES)]
    await store.add_scanned(batch, ScanChunk(tuple(jobs), cursor="1"))
    if database_url.startswith("sqlite"):
        assert stored_bytes(database_url.removeprefix("sqlite:///")) < 6 * 20_000

    assert (await store.get_batch(TENANT, batch.id)).input == ManifestInput(files)
    read = await all_jobs(store, batch.id)
    assert [job.config for job in read] == [LARGE, *[theirs] * (FILES - 1)]
    page = await store.list_jobs(ListQuery(TENANT, FILES, batch_id=batch.id))
    assert len({id(job.config) for job in page.items}) == 2
    assert (await store.get_job(TENANT, read[5].id)).config == theirs
    assert (await store.list_jobs(ListQuery(TENANT, 1, batch_id=batch.id))).items[0].config == theirs
    assert (await claim_one(store)).job.config == LARGE
