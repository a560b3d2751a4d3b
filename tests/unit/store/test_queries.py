"""The queries that are asked all the time go by an index, whatever the tables hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event

from batchscribe_server.domain.job import State
from batchscribe_server.operations.run_store import ServerLoad
from batchscribe_server.operations.store import ListQuery
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import SqlStore
from batchscribe_server.store.tables import metadata
from tests.contract.store.samples import new_job, scanned_batch

OF_FEW = ("ix_batches_deletion", "ix_jobs_deletion", "ix_batches_report")
"""Indexes of what is on its way out alone, which may be read as a whole."""


@pytest.fixture
def statements() -> Iterator[list[tuple[str, Any]]]:
    """Every query with its parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_: Connection, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


async def test_no_query_reads_a_whole_table(tmp_path: Path, statements: list[tuple[str, Any]]) -> None:
    path = tmp_path / "batchscribe.db"
    async with SqlStore.open(f"sqlite:///{path}", Wakeups()) as store:
        batch, _ = await scanned_batch(store, 3)
        lone = await store.create_job(new_job())
        statements.clear()
        await store.claim("one", 1, 30)
        await store.claim("one", 1, 30, 0, ServerLoad(url_places=0))
        await store.queue_position(lone)
        await store.list_jobs(ListQuery("default", 10))
        await store.list_jobs(ListQuery("default", 10, batch_id="b", oldest_first=True))
        await store.list_jobs(ListQuery("default", 10, batch_id="b", states=(State.FAILED,)))
        await store.list_jobs(ListQuery("default", 10, reference_id="r"))
        await store.list_batches(ListQuery("default", 10))
        await store.recover(3, exclusive_owner=False)
        await store.read_events("jobs/one", 5, 100)
        await store.unused_media(10)
        await store.purge_history(60, 10)
        await store.expire_jobs(10)
        await store.expire_batches(10)
        await store.deletions(10)
        await store.unreported_batches(10)
        _ = [page async for page in store.read_jobs(batch)]
        await store.cancel_batch(batch.tenant, batch.id)  # at its end it is looked for jobs that are being deleted
        asked = list(statements)
    engine = create_engine(f"sqlite:///{path}")
    plans = []
    with engine.connect() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans += [(row.detail, statement) for row in rows]
    engine.dispose()
    assert len(asked) >= 10
    scanned = {f"SCAN {table}" for table in metadata.tables}
    scans = [
        (detail, statement)
        for detail, statement in plans
        if " ".join(detail.split()[:2]) in scanned and detail.split()[-1] not in OF_FEW
    ]
    assert scans == []
    used = " ".join(detail for detail, _ in plans)
    for index in (
        "ix_batches_queue",
        "ix_jobs_claimable",
        "ix_jobs_claimable_not_url",
        "ix_jobs_running",
        "ix_jobs_tenant",
        "ix_jobs_batch",
        "ix_jobs_reference",
        "ix_jobs_history",
        "ix_jobs_expire",
        "ix_jobs_deletion",
        "ix_batches_expire",
        "ix_batches_deletion",
        "ix_batches_report",
    ):
        assert f"INDEX {index} " in used
