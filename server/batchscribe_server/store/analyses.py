"""What was found in transcripts, in SQL: one row for each job that was analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, insert, select

from batchscribe_server.domain.analysis import Analysis
from batchscribe_server.store import tables

if TYPE_CHECKING:
    from batchscribe_server.store.database import Database  # which the ledger, that uses this module, is part of

_ANALYSIS = select(tables.analyses.c.analysis).where(tables.analyses.c.job_id == bindparam("of_job"))


class SqlAnalysisStore:
    """The AnalysisStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_analysis(self, job_id: str) -> Analysis | None:
        """Read what was found."""
        return await self._database.read(lambda connection: _get(connection, job_id))


def keep_analysis(connection: Connection, job_id: str, analysis: Analysis | None) -> None:
    """Write what was found in the place of what was before; None leaves nothing."""
    connection.execute(delete(tables.analyses).where(tables.analyses.c.job_id == job_id))
    if analysis is not None:
        connection.execute(insert(tables.analyses), {"job_id": job_id, "analysis": analysis})


def _get(connection: Connection, job_id: str) -> Analysis | None:
    analysis: Analysis | None = connection.execute(_ANALYSIS, {"of_job": job_id}).scalar_one_or_none()
    return analysis
