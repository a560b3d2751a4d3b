"""The model that all systems decode with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import platformdirs

from batchscribe_server.domain.model import Model
from batchscribe_server.models.catalog import ModelCatalog


def resolve(name: str) -> Model:
    """The model of a name, or in a folder, with its files on this machine, as the service knows it."""
    catalog = ModelCatalog(name, Path(platformdirs.user_cache_dir("batchscribe")) / "benchmarks")
    return asyncio.run(catalog.resolve(""))
