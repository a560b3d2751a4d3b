"""The effective settings: defaults, then a TOML file, then `BATCHSCRIBE_…` variables, then the command line.

Built once by the composition root, which hands its parts down. Nothing else reads the environment.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import TomlConfigSettingsSource as TomlSource

from batchscribe_server.domain.access import Encryption, is_endpoint, is_region, is_word
from batchscribe_server.storage.azure_uri import account_name
from batchscribe_server.storage.s3_checksums import Checksum
from batchscribe_server.storage.s3_options import IBM_IAM_URL
from batchscribe_server.transcriber.devices import parsed_devices

GIB = 1024**3
FEWEST_SLOTS = 8
KEY_BYTES = 32
MAX_PORT = 65_535
MAX_RETENTION_S = 100 * 365.25 * 86_400

# A name in ASCII, as it is looked up, or an address; the port is the client's choice.
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+")


class SettingsFileError(Exception):
    """The settings file cannot be used, in words for the operator."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Group):
    """Where the state lies. An empty URL: SQLite in the data directory."""

    url: SecretStr = SecretStr("")


class EngineSettings(_Group):
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


class MediaSettings(_Group):
    """The media workers and what a file may be at most; 0 workers means as many as cores, 0 elsewhere no limit."""

    workers: Annotated[int, Field(ge=0)] = 0
    memory_limit_bytes: Annotated[int, Field(gt=0)] = 1 * GIB
    max_upload_bytes: Annotated[int, Field(gt=0)] = 5 * GIB
    max_spool_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    max_size_bytes: Annotated[int, Field(ge=0)] = 0
    max_duration_s: Annotated[float, Field(ge=0)] = 0.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10


class DiarizationSettings(_Group):
    """The diarizer, which tells voices apart; `max_duration_s` is the longest recording that it takes, 0 for no limit.

    `memory_limit_bytes` is what it may take beside its models, `idle_s` how long it is kept without work.
    """

    threads: Annotated[int, Field(ge=1)] = 1
    memory_limit_bytes: Annotated[int, Field(gt=0)] = 4 * GIB
    max_duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4 * 3600.0
    idle_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10


class IbmSettings(_Group):
    """An API key of IBM Cloud and the service instance of its Object Storage, instead of access keys."""

    apikey: SecretStr
    resource_instance_id: str

    @field_validator("apikey")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        if not is_word(value.get_secret_value()):
            raise ValueError("it is empty, or holds characters that no API key has")
        return value

    @field_validator("resource_instance_id")
    @classmethod
    def _is_an_id(cls, value: str) -> str:
        if not is_word(value):
            raise ValueError("it is empty, or holds characters that no id has")
        return value


class S3Settings(_Group):
    """The service behind `s3://` URIs, and the buckets that they may name: none unless listed, all for "*".

    Without keys, credentials are found as by every AWS tool: environment, profile, the machine's role. Without
    `server_side_encryption` outputs are encrypted as their bucket says. `checksum` is what outputs are checked by when
    they arrive; `check_downloads` compares inputs with what the service declares of them.
    """

    buckets: tuple[str, ...] = ()
    endpoint: str = ""
    region: str = ""
    access_key_id: str = ""
    secret_access_key: SecretStr = SecretStr("")
    session_token: SecretStr = SecretStr("")
    addressing: Literal["auto", "path", "virtual"] = "auto"
    ibm: IbmSettings | None = None
    requester_pays: bool = False
    server_side_encryption: Encryption | None = None
    kms_key_id: str = ""
    checksum: Checksum = Checksum.MD5
    check_downloads: bool = True

    @field_validator("endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str) -> str:
        if value and not is_endpoint(value):
            raise ValueError("it is not a URL like https://s3.example.org")
        return value

    @field_validator("region")
    @classmethod
    def _is_a_region(cls, value: str) -> str:
        if value and not is_region(value):
            raise ValueError(f"{value!r} is not the name of a region, such as eu-west-1")
        return value

    @model_validator(mode="after")
    def _whole_keys(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key.get_secret_value()):
            raise ValueError("access_key_id and secret_access_key go together")
        return self

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        if self.ibm is None:
            return self
        if self.access_key_id or self.session_token.get_secret_value():
            raise ValueError("ibm and access keys exclude each other")
        if not self.endpoint:
            raise ValueError("endpoint is required with ibm")
        if self.requester_pays or self.server_side_encryption:
            raise ValueError("requester_pays and server_side_encryption are AWS's, and not for ibm")
        return self

    @model_validator(mode="after")
    def _key_for_kms(self) -> Self:
        if self.kms_key_id and self.server_side_encryption is not Encryption.KMS:
            raise ValueError("kms_key_id is for the server_side_encryption aws:kms alone")
        if self.kms_key_id and not is_word(self.kms_key_id):
            raise ValueError("kms_key_id holds characters that no id has")
        return self


class AzureSettings(_Group):
    """The account behind `az://` URIs, and the containers that they may name: none unless listed, all for "*".

    `account_url` is that of its blob service, `https://NAME.blob.core.windows.net`. Without a key or a SAS token only
    containers can be read that anyone may read.
    """

    containers: tuple[str, ...] = ()
    account_url: str = ""
    account_key: SecretStr = SecretStr("")
    sas_token: SecretStr = SecretStr("")

    @field_validator("account_url")
    @classmethod
    def _is_a_bare_url(cls, value: str) -> str:
        parts = urlsplit(value)
        # Anything more may be a secret, and this setting is logged.
        is_bare = not ({"@", "?", "#"} & set(value))
        if value and not (is_bare and parts.scheme in ("https", "http") and account_name(value)):
            raise ValueError("it is not https://NAME.blob.core.windows.net or the like, without a query or a user")
        return value

    @field_validator("account_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            base64.b64decode(value.get_secret_value(), validate=True)
        except ValueError:
            raise ValueError("it is not base64, as account keys are") from None
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.containers and not self.account_url:
            raise ValueError("account_url is required where containers are named")
        if self.account_key.get_secret_value() and self.sas_token.get_secret_value():
            raise ValueError("account_key and sas_token exclude each other")
        return self


class HttpsSettings(_Group):
    """Inputs by `https://` URL: plain HTTP, addresses that are not public, and which hosts may be named, all if none.

    A host is a name, or `*.example.org` for all below one. `private_networks` are allowed without all that are private.
    """

    enabled: bool = True
    http: bool = False
    private_addresses: bool = False
    private_networks: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    @field_validator("private_networks")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @field_validator("hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for host in value:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is not the name of a host, or *. and one: example.org, *.example.org")
        return value


class StorageSettings(_Group):
    """Object stores and URLs, how much disk their files take that are being worked on, and how long one may take to
    arrive, 0 for no limit.

    `s3` and `azure` are reached by requests that say nothing else, a profile by those that name it; one of each kind
    may have the same name. `client_endpoints` are those that credentials in requests may name: URLs, "aws", "azure",
    "ibm", or "*" for any. `ibm_iam_url` gives tokens for API keys of IBM Cloud.
    """

    s3: S3Settings = S3Settings()
    profiles: dict[str, S3Settings] = {}
    client_endpoints: tuple[str, ...] = ("aws", "azure", "ibm")
    ibm_iam_url: str = IBM_IAM_URL
    azure: AzureSettings = AzureSettings()
    azure_profiles: dict[str, AzureSettings] = {}
    https: HttpsSettings = HttpsSettings()
    max_fetched_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    max_fetch_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 4 * 3600.0

    @field_validator("ibm_iam_url")
    @classmethod
    def _is_a_bare_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("https", "http") or not parts.hostname or {"@", "?", "#"} & set(value):
            raise ValueError("it is not a URL like https://iam.cloud.ibm.com/identity/token")
        return value


class SecretsSettings(_Group):
    """What credentials in requests are encrypted with: the first key encrypts, all of them decrypt. Without any, one is
    made in the data directory.
    """

    keys: tuple[SecretStr, ...] = ()

    @field_validator("keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, key in enumerate(keys, start=1):
            try:
                size_bytes = len(base64.urlsafe_b64decode(key.get_secret_value()))
            except ValueError:
                size_bytes = 0
            if size_bytes != KEY_BYTES:
                raise ValueError(f"key {number} is not {KEY_BYTES} bytes in URL-safe base64")
        return keys


class JobSettings(_Group):
    """The running of jobs: how many are heard at once, and beside them how many fetch their files or write outputs.

    0 of them means as many as keep this machine busy.
    """

    max_running: Annotated[int, Field(ge=0)] = 0
    max_transferring: Annotated[int, Field(ge=0)] = 0
    lease_s: Annotated[float, Field(gt=0)] = 30.0
    max_stalled_attempts: Annotated[int, Field(gt=0)] = 5


class KeepSettings(_Group):
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


class AnalysisSettings(_Group):
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
        parts = urlsplit(value)
        # Anything more may be a secret, and this setting is logged.
        if value and (parts.scheme not in ("https", "http") or not parts.hostname or {"@", "?", "#"} & set(value)):
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


class WatchSettings(_Group):
    """Live watches."""

    heartbeat_s: Annotated[float, Field(gt=0)] = 15.0


class MetricsSettings(_Group):
    """Where Prometheus may read the metrics over HTTP, as HOST:PORT; nowhere when `listen` is empty."""

    listen: str = ""

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value and not (host and port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
            raise ValueError(f"{value!r} is not HOST:PORT")
        return value

    @property
    def address(self) -> tuple[str, int] | None:
        """The host, an IPv6 one without its brackets, and the port; None when the metrics are not exposed."""
        host, _, port = self.listen.rpartition(":")
        return (host.removeprefix("[").removesuffix("]"), int(port)) if host else None


class Settings(BaseSettings):
    """All settings of a server. `BATCHSCRIBE_ENGINE__DEVICE` sets `engine.device`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix="BATCHSCRIBE_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    config: Path | None = None
    listen: str = "127.0.0.1:50051"
    data_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("batchscribe")))
    file_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    model: str = "base"
    models: dict[str, str] = {}
    hub: bool = True
    drain_timeout_s: Annotated[float, Field(ge=0)] = 20.0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "json", "console"] = "auto"
    database: DatabaseSettings = DatabaseSettings()
    engine: EngineSettings = EngineSettings()
    media: MediaSettings = MediaSettings()
    diarization: DiarizationSettings = DiarizationSettings()
    storage: StorageSettings = StorageSettings()
    secrets: SecretsSettings = SecretsSettings()
    jobs: JobSettings = JobSettings()
    keep: KeepSettings = KeepSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    watch: WatchSettings = WatchSettings()
    metrics: MetricsSettings = MetricsSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The command line first, then the environment, then the file that either of them names."""
        file = init_settings().get("config") or os.environ.get("BATCHSCRIBE_CONFIG")
        sources = (init_settings, env_settings)
        return (*sources, _toml_source(settings_cls, Path(file))) if file else sources

    @field_validator("file_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        """In the environment roots are separated as in PATH."""
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value

    @property
    def database_url(self) -> str:
        """The URL of the database; SQLite in the data directory where none is given."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'batchscribe.db'}"

    def redacted(self) -> dict[str, Any]:
        """All values, for the log; secrets masked."""
        return self.model_dump(mode="json")


def _toml_source(settings_cls: type[BaseSettings], file: Path) -> TomlSource:
    # By itself the source takes a file that is not there for an empty one.
    try:
        with file.open("rb"):
            return TomlSource(settings_cls, file)
    except OSError as error:
        raise SettingsFileError(
            f"the settings file {file} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    except ValueError as error:
        raise SettingsFileError(f"the settings file {file} is not TOML: {error}") from error


COMMAND_LINE = {
    "file_root": ("file_roots",),
    "device": ("engine", "device"),
    "compute_type": ("engine", "compute_type"),
    "media_workers": ("media", "workers"),
    "metrics_listen": ("metrics", "listen"),
}
"""Options of the command line whose settings have other names."""


def load_settings(options: Mapping[str, Any]) -> Settings:
    """Settings with the command line's `options` above everything else.

    Raises pydantic.ValidationError, naming each bad value, and SettingsFileError.
    """
    given: dict[str, Any] = {}
    for name, value in options.items():
        *groups, setting = COMMAND_LINE.get(name, (name,))
        target = given
        for group in groups:
            target = target.setdefault(group, {})
        target[setting] = value
    return Settings(**given)
