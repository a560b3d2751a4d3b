"""What is deployed to look at the service asks for metrics that there are, and leads to pages that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.metrics.test_metrics import all_metrics

ROOT = Path(__file__).parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/batchscribe.json").read_text())
RULES = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())["groups"][0]["rules"]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def series() -> dict[str, set[str]]:
    """The names that can be queried, each with its labels."""
    return {
        sample.name: {label for label in sample.labels if label != "le"}
        for metric in all_metrics().collect()
        for sample in metric.samples
    }


def queried(expression: str) -> set[str]:
    return set(re.findall(r"\bbatchscribe_\w+", expression))


def expressions() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_that_is_queried_exists(expression: str) -> None:
    names, known = queried(expression), series()
    assert names
    assert names <= set(known)
    labels = {label for group in re.findall(r"\bby \(([^)]*)\)", expression) for label in group.split(", ")}
    labels |= set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", expression))
    assert labels <= {"instance", "le"}.union(*(known[name] for name in names))


def test_the_dashboard_shows_every_family_that_operators_act_on() -> None:
    shown = set().union(*(queried(expression) for expression in expressions()))
    for part in ("queue_jobs", "queue_wait_seconds_bucket", "leases_lost_total", "rpcs_total", "watchers", "serving"):
        assert f"batchscribe_{part}" in shown


def test_panels_have_places_and_numbers_of_their_own() -> None:
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(set(places)) == len(numbers)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_a_page_of_the_runbook(rule: dict[str, Any]) -> None:
    file, _, anchor = rule["annotations"]["runbook"].partition("#")
    titles = re.findall(r"^## (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert anchor in {title.lower().replace(" ", "-") for title in titles}
    assert rule["labels"]["severity"] in ("warning", "critical")
