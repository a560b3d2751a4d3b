"""How PostgreSQL executes the hot statements of the store, once the tables are large enough for it to matter."""

from __future__ import annotations

import pytest

from benchmarks.plans import fill, plans_of_store

pytestmark = pytest.mark.slow

JOBS = 20_000


async def test_no_hot_statement_reads_a_large_table_from_end_to_end(postgres_url: str) -> None:
    await fill(postgres_url, JOBS)
    plans = await plans_of_store(postgres_url)
    read = " ".join(part for plan in plans for part in plan.reads)
    assert all(f" {table} " in read for table in ("jobs", "events", "media"))
    assert [(plan.call, plan.statement) for plan in plans if plan.scanned] == []
