"""The migrations make the schema that the code uses, once, and refuse what they do not know."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.store import DatabaseTooNewError, SqlStore
from batchscribe_server.store.migrate import upgrade
from batchscribe_server.store.tables import metadata


def schema(connection: Connection) -> dict[str, object]:
    """Columns with their types, keys and indexes of every table, whatever made them."""
    found = inspect(connection)
    tables = [name for name in found.get_table_names() if name != "alembic_version"]
    definitions = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> ''"))
    return {
        "columns": {
            name: [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)]
            for name in tables
        },
        "keys": {name: found.get_pk_constraint(name)["constrained_columns"] for name in tables},
        "references": {name: list(map(str, found.get_foreign_keys(name))) for name in tables},
        "indexes": {row.name: row.sql for row in definitions},
        "options": {name: found.get_table_options(name) for name in tables},
    }


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")


def test_the_migrations_make_what_the_code_expects(engine: Engine, tmp_path: Path) -> None:
    declared = create_engine(f"sqlite:///{tmp_path / 'declared.db'}")
    metadata.create_all(declared)
    with engine.begin() as migrated, declared.connect() as expected:
        upgrade(migrated)
        made = schema(migrated)
        assert made == schema(expected)
    assert made["columns"]
    assert "ix_jobs_queue" in str(made["indexes"])
    engine.dispose()
    declared.dispose()


def test_a_second_start_changes_nothing(engine: Engine) -> None:
    for _ in range(2):
        with engine.begin() as connection:
            upgrade(connection)
            connection.execute(text("INSERT INTO idempotency VALUES ('t', 'jobs', hex(randomblob(8)), 'd', 'r', 0)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM idempotency")).scalar_one() == 2
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        upgrade(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with engine.begin() as connection, pytest.raises(DatabaseTooNewError, match="9999"):
        upgrade(connection)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    engine.dispose()


async def test_a_migration_that_fails_leaves_nothing_behind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE media (id TEXT)"))
    with pytest.raises(OperationalError, match="media"):
        async with SqlStore.open(str(engine.url), Wakeups()):
            pytest.fail("it opened")
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["media"]
    engine.dispose()
