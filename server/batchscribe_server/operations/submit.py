"""Submit a job or a batch: check what only the service can know, then store it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import assert_never

from batchscribe_server.domain.access import StorageAccess
from batchscribe_server.domain.batch import (
    Batch,
    BatchInput,
    ManifestInput,
    ManifestObjectInput,
    PrefixInput,
    SingleInput,
)
from batchscribe_server.domain.errors import Violations
from batchscribe_server.domain.job import Job
from batchscribe_server.domain.layout import relative_paths, replaced_by
from batchscribe_server.domain.media import is_upload, upload_id
from batchscribe_server.domain.recognition import OutputConfig, OutputLayout, RecognitionConfig
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.operations.access import Reached, ReachStorages
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.output_conflicts import output_place, own_conflict
from batchscribe_server.operations.store import IdempotencyKey, Store
from batchscribe_server.operations.tracing import Tracing


@dataclass(frozen=True, slots=True)
class NewJob:
    """What a client asks for with one file: a URI or an upload's name, `media/…`; with `is_fetch` as `Job` has it.

    It has no `input_uri` where it is only validated, before an upload.
    """

    input_uri: str
    is_fetch: bool = False
    display_name: str = ""
    reference_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    config: RecognitionConfig = field(default_factory=RecognitionConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    access: StorageAccess = field(default_factory=StorageAccess)
    retention_ms: int | None = None


@dataclass(frozen=True, slots=True)
class NewBatch:
    """What a client asks for with many files."""

    input: BatchInput
    display_name: str = ""
    reference_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    config: RecognitionConfig = field(default_factory=RecognitionConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    access: StorageAccess = field(default_factory=StorageAccess)
    retention_ms: int | None = None


class Submit:
    """Creates jobs and batches. Requests reach it well formed; here they meet the models, the roots and the uploads."""

    def __init__(
        self,
        store: Store,
        reach: ReachStorages,
        check_config: CheckConfig,
        new_id: Callable[[], str],
        now: Callable[[], datetime],
        retention: RetentionPolicy,
        tracing: Tracing | None = None,
    ) -> None:
        self._store = store
        self._reach = reach
        self._check_config = check_config
        self._new_id = new_id
        self._now = now
        self._retention = retention
        self._tracing = tracing or Tracing()

    async def job(
        self,
        tenant: str,
        new: NewJob,
        *,
        job_id: str = "",
        key: IdempotencyKey | None = None,
        validate_only: bool = False,
    ) -> Job:
        """Store a queued job and return it.

        Raises ModelNotFoundError, MediaNotFoundError, PathNotAllowedError, AlreadyExistsError, InvalidArgumentError.
        """
        violations = Violations()
        await in_thread(partial(self._check_config, new.config, "job.config", violations))
        retention_ms = self._retention.granted(new.retention_ms, "job.retention", violations)
        violations.raise_if_any()
        self._reach.check(new.access, [new.input_uri], new.output.uri)
        async with self._reach.opened(new.access) as reached:
            relative_path = await self._check_input(tenant, new.input_uri, reached) if new.input_uri else ""
            await self._check_output(new.output, reached)
            await _check_own(new.output, new.input_uri, relative_path, reached, "job.output", violations)
            violations.raise_if_any()
        time = self._now()
        job = Job(
            id=job_id or self._new_id(),
            tenant=tenant,
            input_uri=new.input_uri,
            is_fetch=new.is_fetch,
            relative_path=relative_path,
            display_name=new.display_name,
            reference_id=new.reference_id,
            labels=new.labels,
            priority=new.priority,
            config=new.config,
            output=new.output,
            create_time=time,
            update_time=time,
            retention_ms=retention_ms,
            traceparent=self._tracing.traceparent(),
        )
        return job if validate_only else await self._store.create_job(job, key, self._reach.sealed(new.access))

    async def batch(
        self,
        tenant: str,
        new: NewBatch,
        *,
        batch_id: str = "",
        key: IdempotencyKey | None = None,
        validate_only: bool = False,
    ) -> Batch:
        """Store a batch that is going to be scanned, and return it. Raises as `job` does."""
        violations = Violations()
        await in_thread(partial(self._check_config, new.config, "batch.config", violations))
        retention_ms = self._retention.granted(new.retention_ms, "batch.retention", violations)
        self._reach.check(new.access, _uris_of(new.input), new.output.uri)
        async with self._reach.opened(new.access) as reached:
            match new.input:
                case SingleInput(uri):
                    name = await self._check_input(tenant, uri, reached)
                    await _check_own(new.output, uri, name, reached, "batch.output", violations)
                case ManifestObjectInput(uri):
                    await self._check_input(tenant, uri, reached)
                case PrefixInput(uri):
                    await reached.input.check_allowed(uri)
                case ManifestInput():
                    await self._check_manifest(tenant, new.input, new.output, reached, violations)
            violations.raise_if_any()
            await self._check_output(new.output, reached)
        time = self._now()
        batch = Batch(
            id=batch_id or self._new_id(),
            tenant=tenant,
            input=new.input,
            display_name=new.display_name,
            reference_id=new.reference_id,
            labels=new.labels,
            priority=new.priority,
            config=new.config,
            output=new.output,
            create_time=time,
            update_time=time,
            retention_ms=retention_ms,
            traceparent=self._tracing.traceparent(),
        )
        return batch if validate_only else await self._store.create_batch(batch, key, self._reach.sealed(new.access))

    async def _check_manifest(
        self, tenant: str, manifest: ManifestInput, output: OutputConfig, reached: Reached, violations: Violations
    ) -> None:
        paths = relative_paths([entry.uri for entry in manifest.files])
        # Compared by their outputs: two URLs may differ in their query alone, and two uploads have one name.
        names = [await self._check_input(tenant, entry.uri, reached) for entry in manifest.files]
        outputs = [
            await output_place(output, entry.uri, name or path, reached.output)
            for entry, name, path in zip(manifest.files, names, paths, strict=True)
        ]
        await in_thread(partial(self._check_entry_configs, manifest, violations))
        times_named = Counter(outputs)
        for index, entry in enumerate(manifest.files):
            path = f"batch.input.manifest.files[{index}]"
            if output.kept_by_service:
                continue
            if output.layout is OutputLayout.SINGLE:
                await _check_own(output, entry.uri, names[index], reached, "batch.output", violations)
            if times_named[outputs[index]] > 1:
                violations.add(
                    f"{path}.uri", "has the same output as another file, which would overwrite it", "OUTPUT_CONFLICT"
                )
            replacing = replaced_by(output, await reached.input.identity(entry.uri))
            if not times_named.keys().isdisjoint(replacing):
                violations.add(f"{path}.uri", "would be replaced by an output of another file", "OUTPUT_CONFLICT")

    def _check_entry_configs(self, manifest: ManifestInput, violations: Violations) -> None:
        # Entries that have the same config have it as one object.
        clean = set[int]()
        for index, entry in enumerate(manifest.files):
            if entry.config is not None and id(entry.config) not in clean:
                found = Violations()
                self._check_config(entry.config, f"batch.input.manifest.files[{index}].config", found)
                violations.found += found.found
                if not found.found:
                    clean.add(id(entry.config))

    async def _check_input(self, tenant: str, uri: str, reached: Reached) -> str:
        """Raises for an input that may not be read; returns the name its outputs take, where its URI does not tell."""
        if is_upload(uri):
            media = await self._store.get_media(tenant, upload_id(uri))
            return media.output_name
        await reached.input.check_allowed(uri)
        return ""

    async def _check_output(self, output: OutputConfig, reached: Reached) -> None:
        if output.uri:
            await reached.output.check_allowed(output.uri)


async def _check_own(
    output: OutputConfig, uri: str, relative_path: str, reached: Reached, path: str, violations: Violations
) -> None:
    if conflict := await own_conflict(output, uri, relative_path, reached):
        violations.add(f"{path}.uri", f"the output {conflict} is the input itself; name another", "OUTPUT_CONFLICT")


def _uris_of(input: BatchInput) -> list[str]:
    match input:
        case SingleInput(uri) | PrefixInput(uri):
            return [uri]
        case ManifestInput(files):
            return [entry.uri for entry in files]
        case ManifestObjectInput(uri):
            return [uri, "s3://", "az://"]  # what it lists is not known yet, and may lie in any store
        case _:
            assert_never(input)
