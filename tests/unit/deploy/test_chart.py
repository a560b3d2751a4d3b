"""The chart as Helm renders it: valid manifests that fit the server."""

from __future__ import annotations

import copy
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deployment import CHART, ROOT, command_options, helm, loaded_settings

pytestmark = pytest.mark.slow

KUBERNETES = ("1.29.0", "1.37.0")
CUSTOM = {"ScaledObject", "ServiceMonitor"}
LEAST = yaml.safe_load((CHART / "ci" / "least-values.yaml").read_text())
VALUES = {file.name: yaml.safe_load(file.read_text()) for file in sorted((CHART / "ci").glob("*.yaml"))} | {
    "values-gpu.yaml": yaml.safe_load((CHART / "values-gpu.yaml").read_text()) | {"existingSecret": "batchscribe"}
}
VALUES["values-gpu.yaml"]["settings"]["storage"] = LEAST["settings"]["storage"]


@cache
def _manifests(name: str) -> dict[str, Any]:
    rendered = helm(VALUES[name])
    assert rendered["lint"] == []
    return {f"{found['kind']}/{found['metadata']['name']}": found for found in rendered["manifests"]}


def _container(name: str, deployment: str) -> tuple[dict[str, Any], dict[str, Any]]:
    pod = _manifests(name)[f"Deployment/{deployment}"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def _refusal(change: dict[str, Any]) -> str:
    return str(helm(copy.deepcopy(LEAST) | change).get("error", ""))


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("name", VALUES)
def test_manifests_are_kubernetes_own(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate
    manifests = _manifests(name)
    for manifest in manifests.values():
        assert manifest["metadata"]["name"].startswith("demo-batchscribe")
        if manifest["kind"] not in CUSTOM:
            validate(manifest, version, strict=True)


def test_what_is_off_by_default_is_off() -> None:
    kinds = {name.partition("/")[0] for name in _manifests("least-values.yaml")}
    assert kinds == {"ConfigMap", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}
    kinds_of_most = {name.partition("/")[0] for name in _manifests("most-values.yaml")}
    assert kinds_of_most - kinds == {"NetworkPolicy", "Secret"} | CUSTOM


@pytest.mark.parametrize("name", VALUES)
def test_the_server_starts_with_its_settings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "batchscribe.toml"
    text = _manifests(name)["ConfigMap/demo-batchscribe"]["data"]["batchscribe.toml"]
    file.write_text(text)
    settings = loaded_settings(monkeypatch, {}, {"config": file})
    given = VALUES[name]["settings"]
    assert settings.model == given.get("model", "base")
    assert settings.drain_timeout_s == given.get("drain_timeout_s", 20)
    if "model_memory_bytes" in given.get("engine", {}):
        assert settings.engine.model_memory_bytes == given["engine"]["model_memory_bytes"]


@pytest.mark.parametrize("name", VALUES)
def test_pods_have_the_time_that_a_drain_takes(name: str) -> None:
    pod, server = _container(name, "demo-batchscribe")
    (sleep, pre_stop_s) = server["lifecycle"]["preStop"]["exec"]["command"]
    assert sleep == "sleep"
    drain_s = VALUES[name]["settings"].get("drain_timeout_s", 20)
    assert pod["terminationGracePeriodSeconds"] >= float(pre_stop_s) + drain_s + 5 + 5


@pytest.mark.parametrize("name", VALUES)
def test_commands_have_the_options_that_they_are_given(name: str) -> None:
    _, server = _container(name, "demo-batchscribe")
    command, *rest = server["args"]
    assert {word for word in rest if word.startswith("--")} <= command_options(command)


@pytest.mark.parametrize("name", VALUES)
def test_the_gateway_has_the_options_that_it_is_given(name: str) -> None:
    _, gateway = _container(name, "demo-batchscribe-gateway")
    command, *rest = gateway["args"]
    assert {word.partition("=")[0] for word in rest} <= command_options(command)


def test_who_belongs_together_finds_each_other() -> None:
    manifests = _manifests("most-values.yaml")
    _, gateway = _container("most-values.yaml", "demo-batchscribe-gateway")
    service = manifests["Service/demo-batchscribe-replicas"]
    assert service["spec"]["clusterIP"] == "None"
    assert "--replica=demo-batchscribe-replicas:50051" in gateway["args"]
    for kind in ("Deployment", "PodDisruptionBudget", "NetworkPolicy"):
        for name, component in (("demo-batchscribe", "replica"), ("demo-batchscribe-gateway", "gateway")):
            spec = manifests[f"{kind}/{name}"]["spec"]
            selector = spec.get("selector") or spec["podSelector"]
            labels = manifests[f"Deployment/{name}"]["spec"]["template"]["metadata"]["labels"]
            assert selector["matchLabels"].items() <= labels.items()
            assert labels["app.kubernetes.io/component"] == component
    monitored = manifests["ServiceMonitor/demo-batchscribe"]["spec"]
    assert monitored["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitored["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    scaled = manifests["ScaledObject/demo-batchscribe"]["spec"]
    assert f"Deployment/{scaled['scaleTargetRef']['name']}" in manifests
    assert "replicas" not in manifests["Deployment/demo-batchscribe"]["spec"]


def test_pods_run_without_rights_and_write_only_where_they_may() -> None:
    for name in VALUES:
        for deployment in ("demo-batchscribe", "demo-batchscribe-gateway"):
            pod, container = _container(name, deployment)
            assert pod["securityContext"]["runAsNonRoot"]
            assert not pod["automountServiceAccountToken"]
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
            assert "/tmp" in writable
    _, server = _container("least-values.yaml", "demo-batchscribe")
    assert {"/data", "/models"} <= {mount["mountPath"] for mount in server["volumeMounts"]}


def test_gpus_are_asked_for_and_there_is_none_to_spare() -> None:
    _, server = _container("values-gpu.yaml", "demo-batchscribe")
    assert server["resources"]["limits"] == {"memory": "16Gi", "nvidia.com/gpu": 1}
    assert server["image"] == "batchscribe:0.1.0-cuda"
    strategy = _manifests("values-gpu.yaml")["Deployment/demo-batchscribe"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_it_scales_by_a_metric_of_the_server() -> None:
    (trigger,) = _manifests("most-values.yaml")["ScaledObject/demo-batchscribe"]["spec"]["triggers"]
    query = trigger["metadata"]["query"]
    selected = r'max\(batchscribe_(\w+)\{state="queued", namespace="speech", service="demo-batchscribe-replicas"\}\)'
    (metric,) = re.findall(selected, query)
    sources = (ROOT / "server" / "batchscribe_server" / "metrics").glob("*.py")
    assert any(f'"{metric}"' in source.read_text() for source in sources)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"existingSecret": ""}, "BATCHSCRIBE_DATABASE__URL"),
        ({"settings": {}}, "media_uri"),
        ({"settings": {"storage": {"media_uri": "/data/uploads"}}}, "media_uri"),
        ({"settings": LEAST["settings"] | {"listen": "127.0.0.1:1"}}, "listen"),
        ({"replica": 3}, "replica"),
        ({"replicas": 0}, "replicas"),
        ({"autoscaling": {"enabled": True, "minReplicas": 0}}, "minReplicas"),
        ({"gateway": {"tls": {"clientCaKey": "ca.crt"}}}, "gateway.tls.secretName"),
        ({"existingSecret": "", "secret": {"DATABASE_URL": "x"}}, "DATABASE_URL"),
    ],
)
def test_values_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    assert words in _refusal(change)


def test_every_value_is_told_of_and_known_to_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert values.keys() == schema["properties"].keys() - {"global"}
    for name, value in values.items():
        known = schema["properties"][name].get("properties", {})
        if name != "settings" and isinstance(value, dict) and known:
            assert value.keys() <= known.keys()
            assert name == "resources" or known.keys() == value.keys()
