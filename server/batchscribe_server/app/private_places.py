"""What only the server may read and write is in no folder that its clients may name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import make_url

from batchscribe_server.app.errors import StartupError
from batchscribe_server.settings import Settings


def check_file_roots(settings: Settings) -> None:
    """Raises StartupError where a file root holds one of the server's own files, or is among them."""
    roots = [(root, root.resolve()) for root in settings.file_roots]
    for name, path in _private(settings):
        real = path.resolve()
        for root, real_root in roots:
            if real.is_relative_to(real_root):
                raise StartupError(
                    f"{name} {path} is in the file root {root}, so that clients could name it. Move it out, or give a "
                    "narrower --file-root."
                )
            if real_root.is_relative_to(real):
                raise StartupError(f"the file root {root} is in {name} {path}. Give a --file-root outside of it.")


def _private(settings: Settings) -> Iterator[tuple[str, Path]]:
    yield "the data directory", settings.data_dir
    if settings.has_database_of_its_own and (file := make_url(settings.database_url).database):
        yield "the database", Path(file)
    if settings.secrets.file is not None:
        yield "the file of secrets", settings.secrets.file
    if settings.config is not None:
        yield "the settings file", settings.config
