"""The effective settings, from where they are written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import TomlConfigSettingsSource as TomlSource
from sqlalchemy import make_url

from batchscribe_server.settings.service import (
    AdminSettings,
    AnalysisSettings,
    DatabaseSettings,
    DiarizationSettings,
    EngineSettings,
    JobSettings,
    KeepSettings,
    MediaSettings,
    MetricsSettings,
    TelemetrySettings,
    WatchSettings,
    checked_address,
)
from batchscribe_server.settings.storage import SecretsSettings, StorageSettings


class SettingsError(Exception):
    """The settings file or the environment cannot be used, in words for the operator."""


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
    hub_models: tuple[str, ...] = ()
    hub_max_bytes: Annotated[int, Field(ge=1)] = 16 << 30
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
    admin: AdminSettings = AdminSettings()
    telemetry: TelemetrySettings = TelemetrySettings()

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

    _is_an_address = field_validator("listen")(checked_address)

    @field_validator("listen")
    @classmethod
    def _listens_somewhere(cls, value: str) -> str:
        if not value:
            raise ValueError("it is empty: say where to listen, as HOST:PORT")
        return value

    @field_validator("file_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        """In the environment roots are separated as in PATH."""
        return tuple(filter(None, value.split(os.pathsep))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place_for_uploads(self) -> Self:
        # Which settings were given cannot be told from a group: it is made of its defaults and what is laid over them.
        if self.storage.media_uri and self.media.max_spool_bytes != MediaSettings().max_spool_bytes:
            raise ValueError(
                "media.max_spool_bytes is of the data directory, and storage.media_uri keeps no uploads there"
            )
        return self

    @property
    def has_database_of_its_own(self) -> bool:
        """Whether no other server can have the database open: it is a file that this one locks."""
        return make_url(self.database_url).get_backend_name() == "sqlite"

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
        raise SettingsError(
            f"the settings file {file} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from error
    except ValueError as error:
        raise SettingsError(f"the settings file {file} is not TOML: {error}") from error


COMMAND_LINE = {
    "file_root": ("file_roots",),
    "device": ("engine", "device"),
    "compute_type": ("engine", "compute_type"),
    "media_workers": ("media", "workers"),
    "metrics_listen": ("metrics", "listen"),
    "admin_listen": ("admin", "listen"),
}
"""Options of the command line whose settings have other names."""


OF_OTHERS = ("BATCHSCRIBE_ADDRESS",)
"""The client's variables."""

_OF_KUBERNETES = re.compile(r"_(SERVICE_HOST|SERVICE_PORT\w*|PORT(_\d+_\w+)?)")
"""How the variables end by which Kubernetes tells of a service, which may be called batchscribe."""


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """Raises SettingsError. What is unknown within a group is refused with its values."""
    known = [*_variables(Settings, "BATCHSCRIBE_"), *OF_OTHERS]
    for name in sorted(map(str.upper, environment)):
        group = name.split("__")[0]
        if not name.startswith("BATCHSCRIBE_") or group in known or _OF_KUBERNETES.search(name):
            continue
        ends = [each for each in known if each.endswith("__" + name.removeprefix("BATCHSCRIBE_"))]
        close = (ends + get_close_matches(name, known, n=1, cutoff=0.85))[:1]
        hint = f"did you mean {close[0]}?" if close else "docs/operations.md lists the settings"
        raise SettingsError(f"the environment sets {name}, which is no setting: {hint}")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for field, info in model.model_fields.items():
        yield (name := f"{prefix}{field.upper()}")
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _variables(info.annotation, f"{name}__")


def problems_of(error: ValidationError) -> list[str]:
    """What is wrong with each setting, by its name, in plain words."""
    return [
        f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}" for each in error.errors()
    ]


def load_settings(options: Mapping[str, Any]) -> Settings:
    """Settings with the command line's `options` above everything else.

    Raises pydantic.ValidationError, naming each bad value, and SettingsError.
    """
    _refuse_unknown_variables(os.environ)
    given: dict[str, Any] = {}
    for name, value in options.items():
        *groups, setting = COMMAND_LINE.get(name, (name,))
        target = given
        for group in groups:
            target = target.setdefault(group, {})
        target[setting] = value
    return Settings(**given)
