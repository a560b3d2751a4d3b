"""Migrations run while replicas of the version before work on: they only add, and touch no row that is there."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory

import batchscribe_server.store.migrate

BEFORE_REPLICAS = "0014"
"""The last migration of the first version whose servers share a database: no older one works beside it."""

MIGRATIONS = Path(batchscribe_server.store.migrate.__file__).with_name("migrations")

_HARMLESS = (
    re.compile(r"CREATE TABLE "),
    re.compile(r"CREATE (UNIQUE )?INDEX "),
    # A column that may be NULL, or has a constant for all rows: neither is written to any row.
    re.compile(r"ALTER TABLE \w+ ADD COLUMN \w+ [\w ]+$"),
    re.compile(r"ALTER TABLE \w+ ADD COLUMN \w+ [\w ]+ DEFAULT ('[^']*'|\w+)( NOT NULL)?$"),
)


def newer_migrations() -> list[Script]:
    """Those that may run beside an older version."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    return list(scripts.iterate_revisions("head", BEFORE_REPLICAS))


def statements(script: Script) -> list[str]:
    """What a migration tells PostgreSQL."""
    written = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "output_buffer": written, "transactional_ddl": False}
    )
    with Operations.context(context):
        script.module.upgrade()
    return [" ".join(each.split()) for each in written.getvalue().split(";") if each.strip()]


def is_harmless(statement: str) -> bool:
    """Whether an older version goes on working with it, and no table is locked for longer than a moment."""
    if "NOT NULL" in statement and "ADD COLUMN" in statement and "DEFAULT" not in statement:
        return False
    return any(pattern.match(statement) for pattern in _HARMLESS)


@pytest.mark.parametrize("script", newer_migrations(), ids=lambda script: script.revision)
def test_an_older_version_works_on_beside_a_migration(script: Script) -> None:
    found = statements(script)
    assert found
    assert [statement for statement in found if not is_harmless(statement)] == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE jobs DROP COLUMN stage",
        "ALTER TABLE jobs RENAME COLUMN stage TO step",
        "ALTER TABLE jobs ALTER COLUMN stage SET NOT NULL",
        "ALTER TABLE jobs ADD COLUMN region TEXT NOT NULL",
        "ALTER TABLE jobs ADD COLUMN drawn TEXT DEFAULT md5(random()::text)",
        "UPDATE jobs SET stage = ''",
        "DROP INDEX ix_jobs_queue",
    ],
)
def test_what_would_harm_it_is_found(statement: str) -> None:
    assert not is_harmless(statement)


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE jobs ADD COLUMN stage TEXT", "ALTER TABLE jobs ADD COLUMN n BIGINT DEFAULT '0' NOT NULL"],
)
def test_what_does_no_harm_passes(statement: str) -> None:
    assert is_harmless(statement)
