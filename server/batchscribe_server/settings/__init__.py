"""The effective settings: defaults, then a TOML file, then `BATCHSCRIBE_…` variables, then the command line.

Built once by the composition root, which hands its parts down. Nothing else reads the environment.
"""

from batchscribe_server.settings.loading import Settings, SettingsError, load_settings, problems_of
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
)
from batchscribe_server.settings.storage import (
    AzureSettings,
    HttpsSettings,
    IbmSettings,
    S3Settings,
    SecretsSettings,
    StorageSettings,
)

__all__ = [
    "AdminSettings",
    "AnalysisSettings",
    "AzureSettings",
    "DatabaseSettings",
    "DiarizationSettings",
    "EngineSettings",
    "HttpsSettings",
    "IbmSettings",
    "JobSettings",
    "KeepSettings",
    "MediaSettings",
    "MetricsSettings",
    "S3Settings",
    "SecretsSettings",
    "Settings",
    "SettingsError",
    "StorageSettings",
    "TelemetrySettings",
    "WatchSettings",
    "load_settings",
    "problems_of",
]
