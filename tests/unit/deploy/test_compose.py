"""The compose file: its replicas start with settings that fit together, and its parts name each other rightly."""

from __future__ import annotations

import base64
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deployment import DEPLOY, compose_file, loaded_settings, seconds

COMPOSE = DEPLOY / "compose"
ENVOY = DEPLOY / "envoy" / "envoy.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


def _interpolated(text: str, variables: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        return variables.get(name) or (rest if kind == "-" else pytest.fail(f"{name} is not set"))

    return VARIABLE.sub(value, text)


def _example() -> dict[str, str]:
    lines = (COMPOSE / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = compose_file()["services"]
    return services


def test_replicas_start_with_what_the_script_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = subprocess.run(["sh", COMPOSE / "new_env.sh"], capture_output=True, text=True, check=True).stdout
    variables = dict(line.split("=", 1) for line in printed.splitlines())
    environment = {
        name: _interpolated(value, variables) for name, value in _services()["batchscribe"]["environment"].items()
    }
    settings = loaded_settings(monkeypatch, environment)
    url = settings.database.url.get_secret_value()
    assert re.fullmatch(r"postgresql\+asyncpg://batchscribe:[0-9a-f]{48}@postgres:5432/batchscribe", url)
    assert [len(base64.urlsafe_b64decode(key.get_secret_value())) for key in settings.secrets.keys] == [32]
    assert settings.storage.s3.buckets == ("recordings",)


def test_nothing_has_a_password_of_its_own() -> None:
    text = (COMPOSE / "compose.yaml").read_text()
    assert set(_example()) == {name for name, kind, _ in VARIABLE.findall(text) if kind == "?"}
    assert not any(_example().values())
    secret_names = re.findall(r"^\s*(\w*(?:PASSWORD|SECRET|KEY)\w*): (.*)$", text, re.MULTILINE)
    assert len(secret_names) == 6
    assert all(VARIABLE.search(value) for _, value in secret_names)


def test_whoever_is_depended_on_can_be_waited_for() -> None:
    services = _services()
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy" and name != "batchscribe":  # its image has a check
                assert "healthcheck" in services[name]
    assert services["batchscribe"]["depends_on"].keys() == {"postgres", "buckets"}
    assert "HEALTHCHECK" in (DEPLOY / "docker" / "Dockerfile").read_text()


def test_each_has_the_time_that_its_end_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    services = _services()
    drain_s = loaded_settings(monkeypatch, {}).drain_timeout_s
    assert seconds(services["batchscribe"]["stop_grace_period"]) >= drain_s + 5 + 10
    sleep = services["envoy"]["pre_stop"][-1]["command"]
    assert seconds(services["envoy"]["stop_grace_period"]) > float(sleep[1])


def test_files_that_are_mounted_are_there_and_hold_together() -> None:
    for service in _services().values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (COMPOSE / source).is_file()
    assert {"media", "recordings"} <= set(_services()["buckets"]["entrypoint"])
    environment = _services()["batchscribe"]["environment"]
    assert environment["BATCHSCRIBE_STORAGE__MEDIA_URI"].startswith("s3://media/")


def test_envoys_config_is_the_one_for_these_services() -> None:
    text = ENVOY.read_text()
    config = yaml.safe_load(text)
    mounts = {volume.split(":")[1] for volume in _services()["envoy"]["volumes"]}
    assert set(re.findall(r"(?:proto_descriptor|filename): \"?(/[^\s\"]+)", text)) <= mounts
    addresses = {
        (found["address"], found["port_value"])
        for cluster in config["static_resources"]["clusters"]
        for found in _socket_addresses(cluster)
    }
    assert addresses == {("batchscribe", 50051)}
    listening = {(found["address"], found["port_value"]) for found in _socket_addresses(config["static_resources"])}
    assert listening - addresses == {("0.0.0.0", 8080)}
    assert _socket_addresses(config["admin"]) == [{"address": "127.0.0.1", "port_value": 9901}]


def _socket_addresses(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for part in node for found in _socket_addresses(part)]
    if not isinstance(node, dict):
        return []
    here = [node["socket_address"]] if "socket_address" in node else []
    return here + [found for key, part in node.items() if key != "socket_address" for found in _socket_addresses(part)]


def test_an_env_of_ones_own_is_no_file_for_git() -> None:
    assert "deploy/compose/.env" in (DEPLOY.parent / ".gitignore").read_text().splitlines()
