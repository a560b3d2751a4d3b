"""Scan a manifest that lies in a file: check it whole, then give its files chunk by chunk, each with a cursor.

The file is read three times, as a stream: for what each entry says and the folder that all share, for outputs that two
entries would share, and for the entries themselves. A scan that goes on at a cursor was checked before.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial

from batchscribe_server.domain.batch import Batch, ManifestEntry
from batchscribe_server.domain.errors import (
    InvalidArgumentError,
    JobFailure,
    MediaNotFoundError,
    ModelNotFoundError,
    PathNotAllowedError,
    Reason,
    Violations,
)
from batchscribe_server.domain.layout import path_below, replaced_by, shared_folder
from batchscribe_server.domain.media import is_upload, upload_id
from batchscribe_server.domain.recognition import RecognitionConfig
from batchscribe_server.operations.access import Reached
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.in_thread import in_thread
from batchscribe_server.operations.manifest import (
    EntryReaders,
    ManifestFile,
    Manifests,
    NamesSeen,
    Place,
    ReadEntry,
    Record,
)
from batchscribe_server.operations.open_input import OpenInput
from batchscribe_server.operations.output_conflicts import output_place
from batchscribe_server.operations.storage import Storage, UploadSpool
from batchscribe_server.operations.store import MediaStore
from batchscribe_server.operations.upload_name import upload_name

CHECKED_AT_ONCE = 500
"""How many entries one thread checks before another may."""

MANIFEST_CHUNK = 100
"""How many entries become jobs at once: as many as a listing gives, for each chunk is a turn of the only writer."""

PROBLEMS_TOLD = 10
_PROBLEM_CHARS = 500

_CONFIGS_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class ListedFile:
    """An entry, with the path that its outputs mirror."""

    entry: ManifestEntry
    relative_path: str


@dataclass(frozen=True, slots=True)
class ListedFiles:
    """Some files of a manifest: the place of the first among all, and the cursor after the last."""

    first: int
    files: Sequence[ListedFile]
    cursor: str


@dataclass(frozen=True, slots=True)
class _Cursor:
    """How far a scan is, and of which version of the manifest. `shared_folders` are those above all files."""

    fingerprint: str
    shared_folders: int
    entries: int = 0
    place: Place | None = None

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> _Cursor:
        values = json.loads(text)
        return cls(**values | {"place": Place(**values["place"])})


class _Problems:
    """What is wrong with a manifest, the first few lines of it."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, line: int, words: str) -> None:
        self._found.append(f"line {line}: {words[:_PROBLEM_CHARS]}")
        if len(self._found) >= PROBLEMS_TOLD:
            self._raise(", and perhaps more")

    def raise_if_any(self) -> None:
        """Raises JobFailure MANIFEST_INVALID."""
        if self._found:
            self._raise("")

    def _raise(self, more: str) -> None:
        raise JobFailure(Reason.MANIFEST_INVALID, f"The manifest can't be used: {'; '.join(self._found)}{more}.")


class ScanManifest:
    """Reads the files that a manifest lists. Nothing of one that has any entry that can't be used is given."""

    def __init__(
        self,
        store: MediaStore,
        uploads: UploadSpool,
        check_config: CheckConfig,
        manifests: Manifests,
        entry_reader: EntryReaders,
    ) -> None:
        self._store = store
        self._open_input = OpenInput(store, uploads)
        self._check_config = check_config
        self._manifests = manifests
        self._entry_reader = entry_reader

    async def files(self, batch: Batch, uri: str, reached: Reached) -> AsyncGenerator[ListedFiles]:
        """The files after the batch's cursor.

        Raises JobFailure MANIFEST_INVALID naming the first lines that are wrong, INPUT_CHANGED where the manifest is
        not the one that the scan began with, and what `Storage.open_input` raises.
        """
        async with self._open_input(batch.tenant, uri, reached.input) as (local, name):
            manifest = await in_thread(partial(self._manifests.open, local.descriptor, name))
            if batch.scan_cursor:
                cursor = _Cursor.from_text(batch.scan_cursor)
                if cursor.fingerprint != local.fingerprint:
                    raise JobFailure(
                        Reason.INPUT_CHANGED, "The manifest changed while the batch was scanned. Submit it again."
                    )
            else:
                cursor = _Cursor(local.fingerprint, await self._shared_folders(batch, manifest, reached.input))
                if not batch.output.kept_by_service:
                    await self._check_outputs(batch, manifest, cursor.shared_folders, reached)
            read = self._read(batch, manifest, cursor.place, MANIFEST_CHUNK)
            async with aclosing(read) as chunks:
                async for records, entries in chunks:
                    paths = await self._paths(batch.tenant, entries, cursor.shared_folders)
                    first = cursor.entries
                    cursor = replace(cursor, entries=first + len(entries), place=records[-1].end)
                    files = [ListedFile(entry, path) for entry, path in zip(entries, paths, strict=True)]
                    yield ListedFiles(first, files, cursor.as_text())

    async def _shared_folders(self, batch: Batch, manifest: ManifestFile, storage: Storage) -> int:
        """Check what each entry says and that it may be read, and count the folders that lie above all files."""
        problems = _Problems()
        read_entry = self._entry_reader(batch.config, batch.output)
        model_problems = lru_cache(_CONFIGS_REMEMBERED)(self._model_problems)
        shared: tuple[str, ...] | None = None
        async for records in self._records(manifest, None, CHECKED_AT_ONCE):
            checked = await in_thread(partial(_checked, records, read_entry, model_problems))
            for record, entry in zip(records, checked, strict=True):
                if isinstance(entry, str):
                    problems.add(record.line, entry)
                elif refusal := await self._refusal(batch.tenant, entry.uri, storage):
                    problems.add(record.line, f"uri: {refusal}")
                else:
                    shared = shared_folder(shared, entry.uri)
        problems.raise_if_any()
        if shared is None:
            raise JobFailure(Reason.MANIFEST_INVALID, "The manifest lists no files.")
        return len(shared)

    async def _refusal(self, tenant: str, uri: str, storage: Storage) -> str:
        """Why an entry's file may not be read; empty where it may. Whether it is there is seen by its job."""
        try:
            if is_upload(uri):
                await self._store.get_media(tenant, upload_id(uri))
            else:
                await storage.check_allowed(uri)
        except (PathNotAllowedError, MediaNotFoundError) as error:
            return error.message
        return ""

    def _model_problems(self, config: RecognitionConfig) -> str:
        violations = Violations()
        try:
            self._check_config(config, "config", violations)
        except ModelNotFoundError as error:
            return f"config.model: {error.message}"
        return "; ".join(f"{violation.field}: {violation.description}" for violation in violations.found)

    async def _check_outputs(self, batch: Batch, manifest: ManifestFile, shared_folders: int, reached: Reached) -> None:
        """Raises JobFailure MANIFEST_INVALID where two entries have the same outputs, or one's replace another."""
        problems = _Problems()
        with self._manifests.names_seen() as outputs_seen, self._manifests.names_seen() as replaced_seen:
            async with aclosing(self._read(batch, manifest, None, CHECKED_AT_ONCE)) as chunks:
                async for records, entries in chunks:
                    paths = await self._paths(batch.tenant, entries, shared_folders)
                    outputs, replaced = [], []
                    for record, entry, path in zip(records, entries, paths, strict=True):
                        place = await output_place(batch.output, entry.uri, path, reached.output)
                        outputs.append((place, record.line))
                        for notice in replaced_by(batch.output, await reached.input.identity(entry.uri)):
                            replaced.append((notice, record.line))
                    conflicts = partial(_conflicts, outputs_seen, replaced_seen, outputs, replaced)
                    for line, words in await in_thread(conflicts):
                        problems.add(line, words)
        problems.raise_if_any()

    async def _read(
        self, batch: Batch, manifest: ManifestFile, after: Place | None, limit: int
    ) -> AsyncGenerator[tuple[Sequence[Record], Sequence[ManifestEntry]]]:
        """Records that were checked, with their entries."""
        read_entry = self._entry_reader(batch.config, batch.output)

        def entries_of(records: Sequence[Record]) -> Sequence[ManifestEntry]:
            return [read_entry(record.fields) for record in records]

        async for records in self._records(manifest, after, limit):
            yield records, await in_thread(partial(entries_of, records))

    async def _records(
        self, manifest: ManifestFile, after: Place | None, limit: int
    ) -> AsyncIterator[Sequence[Record]]:
        while records := await in_thread(partial(manifest.records, after, limit)):
            yield records
            after = records[-1].end

    async def _paths(self, tenant: str, entries: Sequence[ManifestEntry], shared_folders: int) -> Sequence[str]:
        return [await self._path(tenant, entry.uri, shared_folders) for entry in entries]

    async def _path(self, tenant: str, uri: str, shared_folders: int) -> str:
        if not is_upload(uri):
            return path_below(shared_folders, uri)
        return await upload_name(self._store, tenant, uri)


def _conflicts(
    outputs_seen: NamesSeen,
    replaced_seen: NamesSeen,
    outputs: Sequence[tuple[str, int]],
    replaced: Sequence[tuple[str, int]],
) -> Sequence[tuple[int, str]]:
    """The lines at which the outputs of one entry have the place of another's, or of another's audio."""
    same, replacing = outputs_seen.repeated(outputs), replaced_seen.known(outputs)
    of_others = outputs_seen.known(replaced)
    replaced_seen.repeated(replaced)  # noted last, so that none is told of twice
    return [
        *((line, f"has the same output as line {first}, which would overwrite it") for line, first in same),
        *((line, f"would be replaced by an output of line {first}") for line, first in of_others),
        *((line, f"has an output that would replace the file of line {first}") for line, first in replacing),
    ]


def _checked(
    records: Sequence[Record], read_entry: ReadEntry, model_problems: Callable[[RecognitionConfig], str]
) -> Sequence[ManifestEntry | str]:
    return [_entry_or_problem(record, read_entry, model_problems) for record in records]


def _entry_or_problem(
    record: Record, read_entry: ReadEntry, model_problems: Callable[[RecognitionConfig], str]
) -> ManifestEntry | str:
    if record.problem:
        return record.problem
    try:
        entry = read_entry(record.fields)
    except InvalidArgumentError as error:
        return error.message
    return (model_problems(entry.config) if entry.config else "") or entry
