"""Settings of the service itself: its children, its jobs, what it keeps and shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from batchscribe_server.domain.access import is_bare_url, is_word
from batchscribe_server.domain.retention import MAX_RETENTION_S
from batchscribe_server.settings.group import GIB, Group
from batchscribe_server.transcriber.devices import parsed_devices

FEWEST_SLOTS = 8
MAX_PORT = 65_535


def checked_address(value: str) -> str:
    """HOST:PORT, or nothing."""
    host, _, port = value.rpartition(":")
    if value and not (host and port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ValueError(f"{value!r} is not HOST:PORT")
    return value


class DatabaseSettings(Group):
    """Where the state lies. An empty URL: SQLite in the data directory.

    `pool_size` is how many connections to PostgreSQL there are for transactions at most, beside one for wake-ups.
    """

    url: SecretStr = SecretStr("")
    pool_size: Annotated[int, Field(ge=0, le=1000)] = 0

    @model_validator(mode="after")
    def _pool_of_postgresql(self) -> Self:
        if self.pool_size and not self.url.get_secret_value().startswith("postgres"):
            raise ValueError("pool_size is for PostgreSQL, which url does not name")
        return self


class EngineSettings(Group):
    """The inference processes, one for each device. 0 and "auto" are chosen for the machine."""

    device: str = "auto"
    compute_type: str = "auto"
    concurrency: Annotated[int, Field(ge=0)] = 0
    slots: Annotated[int, Field(ge=0, le=4096)] = 0
    model_memory_bytes: Annotated[int, Field(gt=0)] = 4 * GIB
    model_idle_s: Annotated[float, Field(gt=0)] = 900.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5

    @field_validator("device")
    @classmethod
    def _known_devices(cls, value: str) -> str:
        parsed_devices(value)
        return value

    @field_validator("slots")
    @classmethod
    def _enough_slots(cls, value: int) -> int:
        if 0 < value < FEWEST_SLOTS:
            raise ValueError(f"at least {FEWEST_SLOTS} are needed, or 0 to let the server choose")
        return value


class MediaSettings(Group):
    """The media workers and what a file may be at most; 0 workers means as many as cores, 0 elsewhere no limit.

    The longest file is a day long: longer ones are mistakes more often than recordings.
    """

    workers: Annotated[int, Field(ge=0)] = 0
    memory_limit_bytes: Annotated[int, Field(gt=0)] = 1 * GIB
    max_upload_bytes: Annotated[int, Field(gt=0)] = 5 * GIB
    max_open_uploads: Annotated[int, Field(gt=0)] = 256
    max_spool_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    max_size_bytes: Annotated[int, Field(ge=0)] = 0
    max_duration_s: Annotated[float, Field(ge=0)] = 24 * 3600.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10


class DiarizationSettings(Group):
    """The diarizer, which tells voices apart; `max_duration_s` is the longest recording that it takes, 0 for no limit.

    `memory_limit_bytes` is what it may take beside its models, `idle_s` how long it is kept without work.
    """

    threads: Annotated[int, Field(ge=1)] = 1
    memory_limit_bytes: Annotated[int, Field(gt=0)] = 4 * GIB
    max_duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4 * 3600.0
    idle_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10


class JobSettings(Group):
    """The running of jobs: how many are heard at once, and beside them how many fetch their files or write outputs.

    0 of them means as many as keep this machine busy.
    """

    max_running: Annotated[int, Field(ge=0)] = 0
    max_transferring: Annotated[int, Field(ge=0)] = 0
    lease_s: Annotated[float, Field(gt=0)] = 30.0
    max_stalled_attempts: Annotated[int, Field(gt=0)] = 5


class KeepSettings(Group):
    """How long things are kept: events of ended jobs, uploads that no active job names, and the jobs and batches.

    0 keeps results for ever where a client asks for nothing, and lets clients ask for as long as they like.
    """

    history_s: Annotated[float, Field(gt=0)] = 30 * 86_400.0
    uploads_s: Annotated[float, Field(gt=0)] = 86_400.0
    results_s: Annotated[float, Field(ge=0, le=MAX_RETENTION_S)] = 0.0
    max_results_s: Annotated[float, Field(ge=0, le=MAX_RETENTION_S)] = 0.0

    @model_validator(mode="after")
    def _within_the_maximum(self) -> Self:
        if self.max_results_s and not 0 < self.results_s <= self.max_results_s:
            raise ValueError("results_s must be more than 0 and at most max_results_s, where that is set")
        return self


class AnalysisSettings(Group):
    """A language model for summaries, topics and names: an endpoint that speaks OpenAI's chat completions, by the URL
    below which `/chat/completions` lies. Without one the service makes do with statistics of its own.

    `timeout_s` is of one attempt, `max_tokens` of one answer, `max_input_chars` of the text that is read at once.
    """

    base_url: str = ""
    model: str = ""
    api_key: SecretStr = SecretStr("")
    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 120.0
    max_tokens: Annotated[int, Field(gt=0)] = 2048
    max_input_chars: Annotated[int, Field(ge=1_000)] = 24_000
    max_requests: Annotated[int, Field(gt=0)] = 2
    attempts: Annotated[int, Field(gt=0, le=10)] = 4

    @field_validator("base_url")
    @classmethod
    def _is_a_bare_url(cls, value: str) -> str:
        # Anything more may be a secret, and this setting is logged.
        if value and not is_bare_url(value):
            raise ValueError("it is not a URL like https://llm.example.org/v1, without a query or a user")
        return value

    @field_validator("api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() and not is_word(value.get_secret_value()):
            raise ValueError("it holds characters that no API key has")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.base_url) != bool(self.model):
            raise ValueError("base_url and model go together")
        if self.api_key.get_secret_value() and not self.base_url:
            raise ValueError("api_key is for a base_url, and there is none")
        return self


class WatchSettings(Group):
    """Live watches."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 15.0


class MetricsSettings(Group):
    """Where the metrics and the probes may be read over HTTP, as HOST:PORT; nowhere when `listen` is empty."""

    listen: str = ""

    _is_an_address = field_validator("listen")(checked_address)

    @property
    def address(self) -> tuple[str, int] | None:
        """The host, an IPv6 one without its brackets, and the port; None when the metrics are not exposed."""
        host, _, port = self.listen.rpartition(":")
        return (host.removeprefix("[").removesuffix("]"), int(port)) if host else None


class AdminSettings(Group):
    """Where AdminService is offered: on a port of its own, as HOST:PORT, and with `public` where all others are.

    It asks nobody who he is: whoever reaches it sees all tenants and may drain every replica.
    """

    listen: str = ""
    public: bool = False

    _is_an_address = field_validator("listen")(checked_address)


class TelemetrySettings(Group):
    """Where traces go, by OTLP over gRPC: the URL of a collector, such as http://collector:4317.

    Without it the standard OTEL_… variables count; see `wants_traces`.
    """

    endpoint: str = ""

    @field_validator("endpoint")
    @classmethod
    def _is_a_bare_url(cls, value: str) -> str:
        # Anything more may be a secret, and this setting is logged.
        if value and not is_bare_url(value):
            raise ValueError("it is not a URL like http://collector:4317, without a query or a user")
        return value

    def wants_traces(self, environment: Mapping[str, str]) -> bool:
        """Whether this setting or a variable of OpenTelemetry's names a place for traces, and none turns them off."""
        if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return False
        exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
        if exporter == "none":
            return False
        named = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        return bool(self.endpoint or exporter or any(environment.get(name) for name in named))

    def refusal(self, environment: Mapping[str, str]) -> str:
        """What the variables ask for that this server does not do, in words; empty where they ask for nothing such."""
        exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip() or "otlp"
        if exporter != "otlp":
            return f"OTEL_TRACES_EXPORTER is {exporter!r}: traces go out as otlp alone"
        for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            if protocol := environment.get(name, "").strip():
                return "" if protocol == "grpc" else f"{name} is {protocol!r}: traces go out over grpc alone"
        return ""
