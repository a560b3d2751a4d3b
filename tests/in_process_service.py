"""The operations over a real store, real files, the real renderer and a scripted transcriber: all in one process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, cast

from cryptography.fernet import Fernet

from batchscribe_server import rendering, text
from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.domain.batch import Batch
from batchscribe_server.domain.job import Job
from batchscribe_server.domain.model import Model, ModelSource
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.operations.access import ReachStorages
from batchscribe_server.operations.analyze import Analyze
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.delete import Delete
from batchscribe_server.operations.dispatch import Dispatch, DispatchLimits
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.finish_batch import FinishBatches
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.observers import JobObserver
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.places import PlaceLimits, Places
from batchscribe_server.operations.read_transcript import ReadTranscript
from batchscribe_server.operations.run_job import MediaLimits, RunJob
from batchscribe_server.operations.scan_batch import ScanBatches
from batchscribe_server.operations.scan_manifest import ScanManifest
from batchscribe_server.operations.submit import Submit
from batchscribe_server.operations.supervision import keep_running
from batchscribe_server.operations.tell_speakers import TellSpeakers
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.operations.watch import Watch, WatchLimits
from batchscribe_server.operations.write_outputs import WriteOutputs
from batchscribe_server.rpc.read_manifest import EntryReader
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.manifests import LocalManifests
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.seal import FernetSeal
from batchscribe_server.storage.stream_spool import DiskStreamSpool
from batchscribe_server.storage.uploads import DiskUploadSpool
from batchscribe_server.store.store import SqlStore
from tests.scripted_diarizer import ScriptedDiarizer
from tests.scripted_engine import ScriptedTranscriber

if TYPE_CHECKING:
    from batchscribe_server.operations.analysis import Analyst as AnalystPort
    from batchscribe_server.operations.rendering import Renderer
    from batchscribe_server.operations.storage import Storage

TENANT = "default"
PATIENCE_S = 60.0


class AnyModel:
    """The models of the tests: every name is one, English alone."""

    def __init__(self, default: str) -> None:
        self.model = Model(default, ModelSource.PATH, "/models/scripted", 1, ("en",), default=True)

    def list(self) -> tuple[Model, ...]:
        """The default."""
        return (self.model,)

    def get(self, name: str) -> Model:
        """One of that name."""
        return replace(self.model, name=name or self.model.name)

    async def resolve(self, name: str) -> Model:
        """One of that name."""
        return self.get(name)


def no_s3(_: object) -> NoReturn:
    """The tests over this service use files alone."""
    raise AssertionError("no object store is there")


@dataclass
class InProcessService:
    """What the tests use of the service."""

    folder: Path
    store: SqlStore
    wakeups: Wakeups
    transcriber: ScriptedTranscriber
    diarizer: ScriptedDiarizer
    submit: Submit
    watch: Watch
    read_transcript: ReadTranscript
    dispatch: Dispatch
    reach: ReachStorages
    finish: FinishBatches
    delete: Delete
    uploads: DiskUploadSpool

    async def ended(self, job: Job) -> Job:
        """The job once it has ended."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.watch.job(job.tenant, job.id, after=None, include_segments=False):
                pass
        return await self.store.get_job(job.tenant, job.id)

    async def batch_ended(self, batch: Batch) -> Batch:
        """The batch once it has ended."""
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.watch.batch(batch.tenant, batch.id, after=None):
                pass
        return await self.store.get_batch(batch.tenant, batch.id)

    def audio(self, name: str) -> str:
        """A file for the scripted transcriber, which does not look inside; returns its URI."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"audio of " + name.encode())
        return path.as_uri()


@asynccontextmanager
async def in_process_service(
    folder: Path,
    transcriber: ScriptedTranscriber | None = None,
    *,
    max_running: int = 4,
    lease_s: float = 30.0,
    model: str = "scripted",
    observer: JobObserver | None = None,
    retention: RetentionPolicy | None = None,
    storages: Mapping[str, Storage] | None = None,
    first_id: int = 1,
    diarizer: ScriptedDiarizer | None = None,
    analyst: AnalystPort | None = None,
    uploads: DiskUploadSpool | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[InProcessService]:
    """The service over `folder`: its database, and the root of its files; `storages` go before these, by scheme.

    A second one over the same folder needs a `first_id` that the first has not come to.
    """
    wakeups = Wakeups()
    transcriber = transcriber or ScriptedTranscriber()
    diarizer = diarizer or ScriptedDiarizer()
    by_access = StoragesByAccess(
        {"file": FileStorage(FileRoots([folder])), **(storages or {})},
        StoragePool(no_s3),
        None,
        profiles={},
        client_endpoints=frozenset(),
    )
    uploads = uploads or DiskUploadSpool(folder / "media", max_upload_bytes=1 << 20, max_total_bytes=1 << 24)
    models = FleetModels(AnyModel(model), alone=True)
    renderer = cast("Renderer", rendering)
    ids = itertools.count(first_id)

    def new_id() -> str:
        return f"id-{next(ids):06}"

    def now() -> datetime:
        return datetime.now(UTC)

    async with SqlStore.open(f"sqlite:///{folder / 'test.db'}", wakeups) as store:
        reach = ReachStorages(store, by_access, FernetSeal([Fernet.generate_key().decode()]))
        write_outputs = WriteOutputs(renderer)
        places = Places(PlaceLimits(max_running, max_running))
        run_job = RunJob(
            store,
            reach,
            uploads,
            models,
            transcriber,
            text,
            TellSpeakers(store, diarizer),
            Analyze(store, analyst or Analyst()),
            write_outputs,
            now,
            MediaLimits(max_size_bytes=1 << 20),
            observer,
            patience=patience,
        )
        dispatch = Dispatch(
            store,
            transcriber,
            wakeups,
            run_job,
            run_job.prioritize,
            "test-owner",
            places,
            DispatchLimits(lease_s, poll_s=0.1 if patience else 5.0),
            observer,
        )
        check_config = CheckConfig(models, text, diarizer)
        poll_s = 0.1 if patience else 10.0
        scan_manifest = ScanManifest(store, uploads, check_config, LocalManifests(), EntryReader)
        scan = ScanBatches(store, reach, scan_manifest, wakeups, new_id, now, Duties(), poll_s, patience)
        finish = FinishBatches(
            store, reach, renderer, DiskStreamSpool(folder), wakeups, Duties(), now, poll_s, patience
        )
        service = InProcessService(
            folder,
            store,
            wakeups,
            transcriber,
            diarizer,
            Submit(store, reach, check_config, new_id, now, retention or RetentionPolicy()),
            Watch(store, wakeups, now, WatchLimits(heartbeat_s=0.2)),
            ReadTranscript(store, renderer),
            dispatch,
            reach,
            finish,
            Delete(store, reach, wakeups, Duties()),
            uploads,
        )
        # As a server does at its start: what an earlier one was in the middle of runs again.
        await store.recover(max_stalled_attempts=5, exclusive_owner=True)
        background = {"dispatch": dispatch.run, "scan": scan.run, "finish": finish.run, "delete": service.delete.run}
        tasks = [asyncio.create_task(keep_running(name, work)) for name, work in background.items()]
        try:
            yield service
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
