"""Column types of configs: each stands in a row once, or is named there by its digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Dialect, Text
from sqlalchemy.types import TypeDecorator

from batchscribe_server.domain.batch import ManifestEntry, ManifestInput
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.store.columns import TaggedPayload

_SHARED_KIND = "manifest_shared"
_decoder = msgspec.json.Decoder(RecognitionConfig)


@dataclass(frozen=True, slots=True)
class SharedConfig:
    """Names a config of `batch_configs` by the digest of its JSON."""

    digest: str


class JobConfig(TypeDecorator[Any]):
    """A config as JSON, or a text in JSON that names one which the job's batch has."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: RecognitionConfig | SharedConfig | None, dialect: Dialect) -> str | None:
        """To the column."""
        if value is None:
            return None
        return msgspec.json.encode(value.digest if isinstance(value, SharedConfig) else value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the column."""
        if value is None:
            return None
        return SharedConfig(value.strip('"')) if value.startswith('"') else _decoder.decode(value)


class BatchInputPayload(TaggedPayload):
    """A batch's input; each config of a manifest's entries stands in it once."""

    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To the column."""
        if not isinstance(value, ManifestInput) or not any(entry.config for entry in value.files):
            return super().process_bind_param(value, dialect)
        places: dict[RecognitionConfig, int] = {}
        files = tuple(
            (
                entry.uri,
                entry.reference_id,
                None if entry.config is None else places.setdefault(entry.config, len(places)),
            )
            for entry in value.files
        )
        shared = _SharedManifest(files, tuple(places))
        return msgspec.json.encode({"kind": _SHARED_KIND, "value": shared}).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """From the column."""
        if value is None or not value.startswith(f'{{"kind":"{_SHARED_KIND}"'):
            return super().process_result_value(value, dialect)
        shared = msgspec.json.decode(value, type=_TaggedManifest).value
        return ManifestInput(
            tuple(
                ManifestEntry(uri, reference_id, None if place is None else shared.configs[place])
                for uri, reference_id, place in shared.files
            )
        )


class _SharedManifest(msgspec.Struct, frozen=True):
    files: tuple[tuple[str, str, int | None], ...]
    configs: tuple[RecognitionConfig, ...]


class _TaggedManifest(msgspec.Struct, frozen=True):
    kind: str
    value: _SharedManifest
