"""The settings file: read where it is named, and never passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from batchscribe_server.app import serve
from batchscribe_server.settings import KeepSettings, SettingsError, TelemetrySettings, load_settings


def test_the_command_line_counts_more_than_the_environment_and_that_more_than_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "batchscribe.toml"
    file.write_text('model = "tiny.en"\nlisten = "127.0.0.1:1"\n[engine]\nslots = 16\ndevice = "cpu"\n')
    monkeypatch.setenv("BATCHSCRIBE_CONFIG", str(file))
    monkeypatch.setenv("BATCHSCRIBE_ENGINE__SLOTS", "32")
    settings = load_settings({"listen": "127.0.0.1:2"})
    assert (settings.model, settings.listen) == ("tiny.en", "127.0.0.1:2")
    assert (settings.engine.slots, settings.engine.device) == (32, "cpu")


@pytest.mark.parametrize(("content", "words"), [(None, "no such file"), ("model = [", "not TOML")])
def test_a_file_that_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, content: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "batchscribe.toml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=words):
        load_settings({"config": file})
    assert serve({"config": file}) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("metrics.internal:0", ("metrics.internal", 0)),
        ("[::]:9464", ("::", 9464)),
    ],
)
def test_the_metrics_address_is_taken_apart(listen: str, address: tuple[str, int] | None) -> None:
    assert load_settings({"metrics_listen": listen}).metrics.address == address


@pytest.mark.parametrize("listen", ["9464", ":9464", "localhost", "localhost:", "localhost:http", "localhost:65536"])
def test_what_is_no_address_for_the_metrics_is_refused(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"metrics_listen": listen}) == 2
    assert "metrics.listen" in (error := capsys.readouterr().err)
    assert "HOST:PORT" in error


IBM = {"apikey": "c2VjcmV0", "resource_instance_id": "crn:v1:1::"}


@pytest.mark.parametrize(
    ("s3", "words"),
    [
        ({"endpoint": "s3.example.org"}, "endpoint"),
        ({"endpoint": "https://user:c2VjcmV0@s3.example.org"}, "endpoint"),
        ({"region": "eu west"}, "region"),
        ({"access_key_id": "AKIA"}, "go together"),
        ({"ibm": {"apikey": "c2VjcmV0"}}, "resource_instance_id"),
        ({"ibm": {"apikey": "c2VjcmV0 ", "resource_instance_id": "1"}, "endpoint": "https://c.example"}, "API key"),
        ({"ibm": IBM}, "endpoint is required"),
        ({"ibm": IBM, "endpoint": "https://c.example", "access_key_id": "A", "secret_access_key": "S"}, "exclude"),
        ({"ibm": IBM, "endpoint": "https://c.example", "requester_pays": True}, "not for ibm"),
        ({"ibm": IBM, "endpoint": "https://c.example", "server_side_encryption": "AES256"}, "not for ibm"),
        ({"server_side_encryption": "SSE-C"}, "server_side_encryption"),
        ({"server_side_encryption": "AES256", "kms_key_id": "alias/calls"}, "kms_key_id"),
        ({"server_side_encryption": "aws:kms", "kms_key_id": "a b"}, "kms_key_id"),
        ({"checksum": "crc64nvme"}, "checksum"),
    ],
)
def test_what_cannot_reach_a_bucket_is_refused_without_showing_a_secret(
    s3: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for storage in ({"s3": s3}, {"profiles": {"calls": s3}}):
        assert serve({"storage": storage}) == 2
        error = capsys.readouterr().err
        assert words in error
        assert "c2VjcmV0" not in error


def test_an_apikey_is_a_setting_that_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "batchscribe.toml"
    file.write_text(
        "[storage]\nibm_iam_url = 'https://private.iam.cloud.ibm.com/identity/token'\n"
        "[storage.profiles.cos]\nbuckets = ['calls']\nendpoint = 'https://cos.example.org'\n"
        "[storage.profiles.cos.ibm]\napikey = 'c2VjcmV0'\nresource_instance_id = 'crn:v1:1::'\n"
    )
    settings = load_settings({"config": file})
    ibm = settings.storage.profiles["cos"].ibm
    assert ibm is not None
    assert ibm.apikey.get_secret_value() == "c2VjcmV0"
    assert "c2VjcmV0" not in str(settings.redacted())


@pytest.mark.parametrize("url", ["iam.cloud.ibm.com", "ftp://iam.example.org", "https://user:pw@iam.example.org/token"])
def test_what_is_no_url_of_iam_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"storage": {"ibm_iam_url": url}}) == 2
    assert "storage.ibm_iam_url" in capsys.readouterr().err


AZURE = {"containers": ["calls"], "account_url": "https://spoken.blob.core.windows.net"}


@pytest.mark.parametrize("secret", [{}, {"account_key": "c2VjcmV0"}, {"sas_token": "sv=2026-02-06&sig=c2VjcmV0"}])
def test_azure_is_set_up_with_a_key_a_token_or_neither_and_no_secret_is_shown(secret: dict[str, str]) -> None:
    settings = load_settings({"storage": {"azure": {**AZURE, **secret}}})
    assert settings.storage.azure.containers == ("calls",)
    assert "c2VjcmV0" not in f"{settings.redacted()} {settings!r}"


@pytest.mark.parametrize(
    ("azure", "words"),
    [
        ({"account_url": ""}, "account_url is required"),
        ({"account_key": "c2VjcmV0", "sas_token": "sig=c2VjcmV0"}, "exclude each other"),
        ({"account_key": "no base64, c2VjcmV0"}, "not base64"),
        ({"account_url": "https://spoken.blob.core.windows.net?sig=c2VjcmV0"}, "without a query"),
        ({"account_url": "https://user:c2VjcmV0@spoken.blob.core.windows.net"}, "without a query or a user"),
        ({"account_url": "spoken"}, "https://NAME.blob"),
        ({"account_url": "https://spoken.blob.core.windows.net/a/container"}, "https://NAME.blob"),
        ({"account_url": "ftp://spoken"}, "https://NAME.blob"),
    ],
)
def test_what_cannot_reach_azure_is_refused_without_showing_a_secret(
    azure: dict[str, str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve({"storage": {"azure": {**AZURE, **azure}}}) == 2
    error = capsys.readouterr().err
    assert "storage.azure" in error
    assert words in error
    assert "c2VjcmV0" not in error


def test_profiles_of_azure_lie_beside_those_of_s3_and_are_checked_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "batchscribe.toml"
    file.write_text(
        "[storage.profiles.calls]\nbuckets = ['calls']\n"
        "[storage.azure_profiles.calls]\ncontainers = ['calls']\naccount_url = 'https://spoken.blob.core.windows.net'\n"
        "account_key = 'c2VjcmV0'\n"
    )
    settings = load_settings({"config": file})
    assert settings.storage.profiles["calls"].buckets == ("calls",)
    assert settings.storage.azure_profiles["calls"].account_key.get_secret_value() == "c2VjcmV0"
    assert "c2VjcmV0" not in f"{settings.redacted()} {settings!r}"
    file.write_text("[storage.azure_profiles.calls]\naccount_key = 'no base64, c2VjcmV0'\n")
    assert serve({"config": file}) == 2
    error = capsys.readouterr().err
    assert "storage.azure_profiles.calls.account_key" in error
    assert "c2VjcmV0" not in error


@pytest.mark.parametrize("limit_s", [-1, float("nan"), float("inf"), "soon"])
def test_a_fetch_may_take_so_long_or_any_time(limit_s: object) -> None:
    assert load_settings({"storage": {"max_fetch_s": 0}}).storage.max_fetch_s == 0
    with pytest.raises(ValidationError, match="max_fetch_s"):
        load_settings({"storage": {"max_fetch_s": limit_s}})


def test_urls_are_read_over_https_from_public_addresses_unless_more_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    https = load_settings({}).storage.https
    assert (https.enabled, https.http, https.private_addresses, https.private_networks, https.hosts) == (
        *(True, False, False, (), ()),
    )
    file = tmp_path / "batchscribe.toml"
    file.write_text('[storage.https]\nhosts = ["a.example.org", "*.example.org"]\nprivate_networks = ["10.1.0.0/16"]\n')
    monkeypatch.setenv("BATCHSCRIBE_STORAGE__HTTPS__HTTP", "true")
    https = load_settings({"config": file}).storage.https
    assert (https.http, https.hosts, https.private_networks) == (
        *(True, ("a.example.org", "*.example.org"), ("10.1.0.0/16",)),
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("HOSTS", '["https://example.org/"]'),
        ("HOSTS", '["example.org:443"]'),
        ("HOSTS", '["*"]'),
        ("HOSTS", '[""]'),
        ("PRIVATE_NETWORKS", '["10.1.0.0/8"]'),
        ("PRIVATE_NETWORKS", '["inside"]'),
    ],
)
def test_what_is_no_host_and_no_network_is_refused(
    setting: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"BATCHSCRIBE_STORAGE__HTTPS__{setting}", value)
    assert serve({}) == 2
    assert f"storage.https.{setting.lower()}" in capsys.readouterr().err


def test_results_are_kept_for_ever_unless_they_are_told_otherwise() -> None:
    assert load_settings({}).keep.results_s == 0
    assert KeepSettings(results_s=60, max_results_s=3_600).results_s == 60


@pytest.mark.parametrize(("results_s", "max_results_s"), [(0, 60), (61, 60), (-1, 0), (1e12, 0)])
def test_what_clients_get_by_default_is_no_more_than_they_may_ask_for(results_s: float, max_results_s: float) -> None:
    with pytest.raises(ValidationError, match="results_s"):
        KeepSettings(results_s=results_s, max_results_s=max_results_s)


LANGUAGE_MODEL = {"base_url": "https://llm.example.org/v1", "model": "small"}


def test_a_language_model_is_set_up_and_its_key_not_shown() -> None:
    settings = load_settings({"analysis": {**LANGUAGE_MODEL, "api_key": "c2VjcmV0"}})
    assert settings.analysis.api_key.get_secret_value() == "c2VjcmV0"
    assert "c2VjcmV0" not in f"{settings.redacted()} {settings!r}"
    assert load_settings({}).analysis.base_url == ""


@pytest.mark.parametrize(
    ("analysis", "words"),
    [
        ({"model": ""}, "go together"),
        ({"base_url": ""}, "go together"),
        ({"base_url": "", "model": "", "api_key": "c2VjcmV0"}, "there is none"),
        ({"base_url": "llm.example.org"}, "not a URL"),
        ({"base_url": "https://user:c2VjcmV0@llm.example.org"}, "not a URL"),
        ({"base_url": "https://llm.example.org?key=c2VjcmV0"}, "not a URL"),
        ({"api_key": "c2VjcmV0 c2VjcmV0"}, "no API key has"),
        ({"timeout_s": 0}, "greater than 0"),
        ({"max_input_chars": 10}, "greater than or equal to 1000"),
    ],
)
def test_what_cannot_reach_a_language_model_is_refused_without_showing_a_secret(
    analysis: dict[str, object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve({"analysis": {**LANGUAGE_MODEL, **analysis}}) == 2
    error = capsys.readouterr().err
    assert "analysis" in error
    assert words in error
    assert "c2VjcmV0" not in error


@pytest.mark.parametrize(
    ("endpoint", "variables", "wanted"),
    [
        ("", {}, False),
        ("http://collector:4317", {}, True),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}, True),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, True),
        ("", {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("http://collector:4317", {"OTEL_TRACES_EXPORTER": "none"}, False),
        ("http://collector:4317", {"OTEL_SDK_DISABLED": "TRUE"}, False),
        ("", {"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_traces_are_wanted_where_something_names_a_place_for_them(
    endpoint: str, variables: dict[str, str], wanted: bool
) -> None:
    assert TelemetrySettings(endpoint=endpoint).wants_traces(variables) is wanted


@pytest.mark.parametrize("endpoint", ["collector:4317", "ftp://collector", "http://user:secret@collector:4317"])
def test_what_is_no_collector_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="it is not a URL like"):
        TelemetrySettings(endpoint=endpoint)


def test_an_address_for_operators_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"admin_listen": "50052"}) == 2
    assert "admin.listen: '50052' is not HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"storage": {"media_uri": "file:///media"}}, "is not an s3:// URI"),
        ({"storage": {"media_uri": "s3://"}}, "names no bucket"),
        ({"storage": {"media_uri": "az://NOT/media"}}, "names no container"),
        ({"storage": {"media_profile": "kept"}}, "media_profile is for a media_uri"),
        ({"storage": {"media_uri": "s3://media", "media_profile": "kept"}}, "is none of profiles"),
        ({"storage": {"media_uri": "az://media", "media_profile": "kept"}}, "is none of azure_profiles"),
        ({"storage": {"media_uri": "s3://media"}, "media": {"max_spool_bytes": 1}}, "max_spool_bytes"),
        ({"secrets": {"keys": ["A" * 43 + "="], "file": "/keys"}}, "keys and file exclude each other"),
    ],
)
def test_a_place_for_uploads_and_keys_that_cannot_be_meant_is_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        load_settings(options)


def test_a_place_for_uploads_is_a_folder_with_or_without_a_slash_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATCHSCRIBE_MEDIA__MAX_UPLOAD_BYTES", "1000")
    for uri in ("s3://media/kept", "s3://media/kept/"):
        monkeypatch.setenv("BATCHSCRIBE_STORAGE__MEDIA_URI", uri)
        assert load_settings({}).storage.media_uri == "s3://media/kept"
    monkeypatch.setenv("BATCHSCRIBE_MEDIA__MAX_SPOOL_BYTES", "1000")
    with pytest.raises(ValidationError, match="max_spool_bytes"):
        load_settings({})


def test_a_database_of_ones_own_is_told_from_one_that_others_may_share() -> None:
    assert load_settings({}).has_database_of_its_own
    assert not load_settings({"database": {"url": "postgresql://db.internal/batchscribe"}}).has_database_of_its_own


@pytest.mark.parametrize("listen", ["", "50051", ":50051", "127.0.0.1:99999", "127.0.0.1:http"])
def test_the_server_listens_at_an_address_alone(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve({"listen": listen}) == 2
    assert "listen" in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BATCHSCRIBE_FILE_ROOT", "did you mean BATCHSCRIBE_FILE_ROOTS?"),
        ("BATCHSCRIBE_DEVICE", "did you mean BATCHSCRIBE_ENGINE__DEVICE?"),
        ("BATCHSCRIBE_ENGINE_SLOTS", "did you mean BATCHSCRIBE_ENGINE__SLOTS?"),
        ("BATCHSCRIBE_ENGINES__SLOTS", "did you mean BATCHSCRIBE_ENGINE__SLOTS?"),
        ("BATCHSCRIBE_QQQQ", "docs/operations.md lists the settings"),
        ("BATCHSCRIBE_ENGINE__SLOT", "engine.slot"),
    ],
)
def test_an_unknown_variable_is_refused(
    name: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, "16")
    assert serve({}) == 2
    assert words in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


def test_variables_of_the_client_and_of_kubernetes_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADDRESS", "SERVICE_HOST", "SERVICE_PORT_GRPC", "PORT", "PORT_50051_TCP_ADDR", "GATEWAY_SERVICE_PORT"):
        monkeypatch.setenv(f"BATCHSCRIBE_{name}", "tcp://10.0.0.1:50051")
    assert load_settings({}).listen == "127.0.0.1:50051"
