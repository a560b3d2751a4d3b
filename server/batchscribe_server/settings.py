"""The effective settings: defaults, then a TOML file, then `BATCHSCRIBE_…` variables, then the command line.

Built once by the composition root, which hands its parts down. Nothing else reads the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import TomlConfigSettingsSource as TomlSource

GIB = 1024**3
MAX_PORT = 65_535


class SettingsFileError(Exception):
    """The settings file cannot be used, in words for the operator."""


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatabaseSettings(_Group):
    """Where the state lies. An empty URL: SQLite in the data directory."""

    url: SecretStr = SecretStr("")


class EngineSettings(_Group):
    """The inference process. 0 and "auto" are chosen for the machine."""

    device: str = "auto"
    compute_type: str = "auto"
    concurrency: Annotated[int, Field(ge=0)] = 0
    slots: Annotated[int, Field(ge=8, le=4096)] = 64
    model_memory_bytes: Annotated[int, Field(gt=0)] = 4 * GIB
    model_idle_s: Annotated[float, Field(gt=0)] = 900.0
    nice: Annotated[int, Field(ge=0, le=19)] = 5


class MediaSettings(_Group):
    """The media workers and what a file may be at most; 0 workers means as many as cores, 0 elsewhere no limit."""

    workers: Annotated[int, Field(ge=0)] = 0
    memory_limit_bytes: Annotated[int, Field(gt=0)] = 1 * GIB
    max_upload_bytes: Annotated[int, Field(gt=0)] = 5 * GIB
    max_spool_bytes: Annotated[int, Field(gt=0)] = 50 * GIB
    max_size_bytes: Annotated[int, Field(ge=0)] = 0
    max_duration_s: Annotated[float, Field(ge=0)] = 0.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10


class JobSettings(_Group):
    """The running of jobs; 0 running jobs means as many as keep this machine busy."""

    max_running: Annotated[int, Field(ge=0)] = 0
    lease_s: Annotated[float, Field(gt=0)] = 30.0
    max_stalled_attempts: Annotated[int, Field(gt=0)] = 5


class KeepSettings(_Group):
    """How long things are kept: events of ended jobs, uploads that no active job names."""

    history_s: Annotated[float, Field(gt=0)] = 30 * 86_400.0
    uploads_s: Annotated[float, Field(gt=0)] = 86_400.0


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
    jobs: JobSettings = JobSettings()
    keep: KeepSettings = KeepSettings()
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
