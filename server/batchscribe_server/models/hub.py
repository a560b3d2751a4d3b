"""The Hugging Face hub and its cache on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from huggingface_hub.constants import HF_HUB_CACHE

from batchscribe_server.models.folder import WEIGHTS

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_FILES = ("config.json", "preprocessor_config.json", WEIGHTS, "tokenizer.json", "vocabulary.*")

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


class HubError(Exception):
    """A model could not be fetched; the message says why in plain words."""


def is_repository(name: str) -> bool:
    """Whether a name has the form of a repository, `organisation/model`."""
    return _REPOSITORY.fullmatch(name) is not None and ".." not in name and "--" not in name


class Hub:
    """What is cached in `cache_dir` (None: where Hugging Face's own tools keep it), and what `endpoint` has.

    The cache is read by its documented layout (`models--org--name/{refs,snapshots}`): the library that writes it takes
    half a second to import, which only a download needs.
    """

    def __init__(self, cache_dir: Path | None = None, endpoint: str | None = None) -> None:
        self._cache_dir = cache_dir or Path(HF_HUB_CACHE)
        self._endpoint = endpoint

    def cached(self, repository: str) -> Path | None:
        """The folder of a model that was fetched earlier; None when there is none."""
        stored = self._cache_dir / f"models--{repository.replace('/', '--')}"
        try:
            revision = (stored / "refs" / "main").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
        folder = stored / "snapshots" / revision
        # A download that was cut off leaves a folder without its largest file.
        return folder if (folder / WEIGHTS).is_file() else None

    def cached_repositories(self) -> Sequence[str]:
        """The repositories in the cache, in alphabetical order, whatever they hold."""
        names = [path.name.removeprefix("models--").replace("--", "/") for path in self._cache_dir.glob("models--*")]
        return sorted(name for name in names if is_repository(name))

    def fetch(self, repository: str, *, with_token: bool, max_bytes: int | None) -> Path:
        """Download a model into the cache, or what is missing of it; returns its folder.

        The operator's token goes along only `with_token`. Raises HubError, also where the model is larger than
        `max_bytes`.
        """
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )

        download = partial(
            snapshot_download,
            repository,
            cache_dir=self._cache_dir,
            endpoint=self._endpoint,
            allow_patterns=list(_FILES),
            token=None if with_token else False,
        )
        try:
            size_bytes = _size_bytes(download)
            if max_bytes is not None and size_bytes > max_bytes:
                raise HubError(f"it has {size_bytes} bytes, and the setting hub_max_bytes allows {max_bytes}")
            _log.info("model_download_started", repository=repository, size_bytes=size_bytes)
            folder = Path(download())
            _log.info("model_downloaded", repository=repository, size_bytes=size_bytes)
        except GatedRepoError as error:
            raise HubError(f"{repository} asks for an agreement on the Hugging Face hub and for a token") from error
        except RepositoryNotFoundError as error:
            raise HubError(f"the Hugging Face hub has no model {repository}, or it is private") from error
        except HfHubHTTPError as error:
            raise HubError("the Hugging Face hub did not answer as it should") from error
        except LocalEntryNotFoundError as error:
            raise HubError("the Hugging Face hub cannot be reached from here") from error
        except OSError as error:
            raise HubError(f"the download broke off: {(error.strerror or type(error).__name__).lower()}") from error
        return folder


def _size_bytes(download: Callable[..., Any]) -> int:
    """How large it is, before anything is fetched. Raises as `download` does."""
    from huggingface_hub.errors import DryRunError, HfHubHTTPError

    try:
        return sum(file.file_size for file in download(dry_run=True))
    except DryRunError as error:
        if isinstance(error.__cause__, HfHubHTTPError):
            raise error.__cause__ from None
        raise HubError("the Hugging Face hub cannot be reached from here") from error


def cached_sha256(weights: Path) -> str:
    """The digest that the hub gave for a file in its cache; empty where it gave none.

    Large files lie in the cache under their SHA-256, with a link to them from the model's folder.
    """
    name = weights.resolve().name
    return name if _SHA256.fullmatch(name) else ""
